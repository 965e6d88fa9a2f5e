// Where a user and its topics are written down for a node that checks them.
import { join } from "node:path";
import { hashPassword } from "#agent/auth/password.ts";
import { writeUsersFile, type User } from "#agent/auth/users-file.ts";
import { benchTopic } from "../generator-protocol.ts";
import { memoryTopic } from "./load-case.ts";

/** User name and password of the load. */
export const benchUser = "bench";

/** So many rules that a broker which tries one after the other shows it. */
const otherRules = 18;

/** Writes the users file into `folder` and answers the arguments of `fogbank run` that name it. */
export async function usersFileArguments(folder: string): Promise<readonly string[]> {
  const file = join(folder, "users.conf");
  const others = Array.from({ length: otherRules }, (_, at) => `site-${at}/%u/+/values/#`);
  const filters = [...others, `${memoryTopic}/#`, `${benchTopic}/#`];
  const user: User = {
    name: benchUser,
    password: await hashPassword(new TextEncoder().encode(benchUser)),
    access: filters.map((filter) => ({ filter, allow: "both" as const })),
  };
  writeUsersFile(file, { users: [user], children: [] });
  return ["--set", `auth.users=${file}`];
}
