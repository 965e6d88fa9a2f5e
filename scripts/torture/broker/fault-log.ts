// What is wrong, gathered while it happens: a few examples of each kind, and how many there were.

const examplesMax = 5;

export class FaultLog {
  readonly #byKind = new Map<string, { readonly examples: string[]; count: number }>();

  /** `kind` reads on in "3 × kind: example, example, …". */
  add(kind: string, example: string): void {
    const found = this.#byKind.get(kind) ?? { examples: [], count: 0 };
    this.#byKind.set(kind, found);
    found.count++;
    if (found.examples.length < examplesMax) found.examples.push(example);
  }

  sentences(): readonly string[] {
    return [...this.#byKind].map(
      ([kind, { examples, count }]) => `${count} × ${kind}: ${examples.join("; ")}${count > examplesMax ? "; …" : ""}`,
    );
  }
}
