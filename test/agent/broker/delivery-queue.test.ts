import fc from "fast-check";
import { expect, test } from "vitest";
import { DeliveryQueue, QueuedDelivery } from "#agent/broker/delivery-queue.ts";
import { publicationOf } from "#agent/broker/publication.ts";

function delivery(number: number, payloadBytes: number): QueuedDelivery {
  const publication = publicationOf({ topic: "a", payload: new Uint8Array(payloadBytes), qos: 1 }, false);
  return new QueuedDelivery(number, publication, 1, false, [], undefined);
}

test("it is a queue as an array would be one, and knows its bytes", () => {
  const anyStep = fc.constantFrom("push", "push", "push", "shift", "shift", "drain");
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 120, size: "max" }), (steps) => {
      const queue = new DeliveryQueue();
      let model: QueuedDelivery[] = [];
      for (const [at, step] of steps.entries()) {
        if (step === "push") {
          const item = delivery(at, at % 50);
          queue.push(item);
          model.push(item);
        } else if (step === "shift") expect(queue.shift()).toBe(model.shift());
        else if (at % 3 === 0) {
          expect(queue.drain()).toEqual(model);
          model = [];
        }
        expect([queue.size, queue.first]).toEqual([model.length, model[0]]);
        expect(queue.bytes).toBe(model.reduce((sum, { publication }) => sum + publication.cost, 0));
      }
    }),
  );
});
