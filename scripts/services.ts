// `npm run services -- start|stop|status [name…]`: real servers for tests, without root, out of packages whose hashes are checked and
// which are cached. `start` prints what to put into the environment. Exit codes: 0; 1 when one cannot be started; 2 for a wrong command.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isRunning, recordOf, startRecorded, stopRecorded } from "./services/service-records.ts";
import type { Service } from "./services/service.ts";
import { mongodbService } from "./services/mongodb.ts";
import { zookeeperService } from "./services/zookeeper.ts";

/** One more service is one more entry. */
const services: readonly Service[] = [zookeeperService, mongodbService];

const folder = fileURLToPath(new URL("../.fogbank/services", import.meta.url));
const commands: Readonly<Record<string, (service: Service) => Promise<boolean>>> = { start, stop, status };

process.exitCode = await run(process.argv.slice(2));

async function run([command = "", ...names]: readonly string[]): Promise<number> {
  const perform = commands[command];
  const unknown = names.filter((name) => services.every((service) => service.name !== name));
  if (perform === undefined || unknown.length > 0) {
    const known = services.map(({ name }) => name).join(", ");
    process.stderr.write(`usage: npm run services -- start|stop|status [name…]; the names are: ${known}\n`);
    return 2;
  }
  let failures = 0;
  for (const service of services) {
    if (names.length > 0 && !names.includes(service.name)) continue;
    if (!(await perform(service))) failures++;
  }
  return failures === 0 ? 0 : 1;
}

async function start(service: Service): Promise<boolean> {
  const before = recordOf(folder, service);
  try {
    const runs = before !== undefined && before.processes.every((one) => isRunning(one));
    const { url } = runs ? before : await startRecorded(folder, service);
    process.stdout.write(`export ${service.variable}=${url}\n`);
    return true;
  } catch (error) {
    process.stderr.write(
      `${service.name} cannot run here: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return false;
  }
}

async function stop(service: Service): Promise<boolean> {
  const count = stopRecorded(folder, service);
  process.stdout.write(
    `${service.name}: ${count === 0 ? "was not running" : `${count} processes ended, data removed`}\n`,
  );
  return true;
}

async function status(service: Service): Promise<boolean> {
  const record = recordOf(folder, service);
  if (record === undefined) {
    process.stdout.write(`${service.name}: not started\n`);
    return true;
  }
  const running = record.processes.filter((one) => isRunning(one)).length;
  const where = `data in ${join(folder, service.name)}`;
  process.stdout.write(
    `${service.name}: ${running} of ${record.processes.length} processes run, ${where}\nexport ${service.variable}=${record.url}\n`,
  );
  return true;
}
