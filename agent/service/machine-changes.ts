// Changes of a machine, for people who want to know what was done to it: each is made, or in a dry run only named, on a line of its
// own. What is already as it should be stays as it is, so that all of it can be done again.
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { FogbankError } from "#shared/errors.ts";

/** Ends well, or rejects with what the program said. */
export type RunCommand = (program: string, args: readonly string[]) => Promise<string>;

export interface MachineChangesDeps {
  /** Gets lines without their end. */
  readonly tell: (line: string) => void;
  readonly run: RunCommand;
}

export interface MachineChangesPlan {
  /** A folder that stands for `/`: of an image or a package. Nothing in it gets an owner, and no program is run for it. */
  readonly root: string | undefined;
  readonly isDry: boolean;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Paths are those of the machine, whatever the root is. Every change throws FOGBANK_INSTALL_FAILED when it cannot be made. */
export class MachineChanges {
  readonly #deps: MachineChangesDeps;
  readonly #root: string | undefined;
  readonly #isDry: boolean;

  constructor(deps: MachineChangesDeps, { root, isDry }: MachineChangesPlan) {
    this.#deps = deps;
    this.#root = root;
    this.#isDry = isDry;
  }

  has(path: string): boolean {
    return existsSync(this.#at(path));
  }

  /** A user of the system with a group of the same name, without a password or a shell. */
  async addUser(name: string, home: string): Promise<void> {
    const shell = "/usr/sbin/nologin";
    const args = ["--system", "--user-group", "--no-create-home", "--home-dir", home, "--shell", shell, name];
    if (this.#root !== undefined) return this.#tell(`left out: useradd ${args.join(" ")}`);
    if ((await this.#ownerOf(name)) !== undefined) return this.#tell(`kept user ${name}`);
    await this.run("useradd", ...args);
  }

  async removeUser(name: string): Promise<void> {
    if (this.#root !== undefined) return this.#tell(`left out: userdel ${name}`);
    if ((await this.#ownerOf(name)) === undefined) return this.#tell(`not there: user ${name}`);
    await this.run("userdel", name);
  }

  /** Belongs to that user; one that is there keeps its owner and mode. */
  async folder(path: string, mode: number, user: string): Promise<void> {
    if (this.has(path)) return this.#tell(`kept ${this.#at(path)}`);
    const owner = await this.#ownerIn(user);
    this.#make(`made ${this.#at(path)}`, `make ${this.#at(path)}`, () => {
      makeParents(this.#at(path));
      mkdirSync(this.#at(path), { mode });
      chmodSync(this.#at(path), mode);
      if (owner !== undefined) chownSync(this.#at(path), owner.uid, owner.gid);
    });
  }

  /** Answers whether that changed anything. */
  file(path: string, text: string): boolean {
    if (this.has(path) && readFileSync(this.#at(path), "utf8") === text) {
      this.#tell(`kept ${this.#at(path)}`);
      return false;
    }
    this.#replace(path, 0o644, (temporary) => writeFileSync(temporary, text, { flag: "wx" }));
    return true;
  }

  /** Written where there is none; belongs to that user, and nobody else can read it. Answers whether it was written. */
  async firstFile(path: string, text: string, user: string): Promise<boolean> {
    if (this.has(path)) {
      this.#tell(`kept ${this.#at(path)}`);
      return false;
    }
    const owner = await this.#ownerIn(user);
    this.#replace(path, 0o640, (temporary) => writeFileSync(temporary, text, { flag: "wx" }), owner);
    return true;
  }

  /** Everybody may run it. Answers whether that changed anything. */
  executable(from: string, path: string): boolean {
    if (this.has(path) && readFileSync(from).equals(readFileSync(this.#at(path)))) {
      this.#tell(`kept ${this.#at(path)}`);
      return false;
    }
    this.#replace(path, 0o755, (temporary) => copyFileSync(from, temporary));
    return true;
  }

  /** A folder with all that is in it. */
  remove(path: string): void {
    if (!this.has(path)) return this.#tell(`not there: ${this.#at(path)}`);
    this.#make(`removed ${this.#at(path)}`, `remove ${this.#at(path)}`, () =>
      rmSync(this.#at(path), { recursive: true }),
    );
  }

  /** Says of what is there that it stays. */
  leave(path: string): void {
    if (this.has(path)) this.#tell(`left ${this.#at(path)}`);
  }

  async run(program: string, ...args: readonly string[]): Promise<void> {
    const command = [program, ...args].join(" ");
    if (this.#root !== undefined) return this.#tell(`left out: ${command}`);
    if (this.#isDry) return this.#tell(`would run ${command}`);
    try {
      await this.#deps.run(program, args);
    } catch (error) {
      throw failed(`run ${command}`, error);
    }
    this.#tell(`ran ${command}`);
  }

  /** A line between those of the changes. */
  note(line: string): void {
    this.#tell(line);
  }

  /** The new file is whole on the disk before it takes the place of the old one, which may be a program that runs. */
  #replace(path: string, mode: number, write: (temporary: string) => void, owner?: Owner): void {
    const file = this.#at(path);
    this.#make(`wrote ${file}`, `write ${file}`, () => {
      makeParents(file);
      const temporary = `${file}.new`;
      rmSync(temporary, { force: true });
      write(temporary);
      const descriptor = openSync(temporary, "r");
      try {
        fchmodSync(descriptor, mode);
        if (owner !== undefined) fchownSync(descriptor, owner.uid, owner.gid);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(temporary, file);
    });
  }

  #make(done: string, attempt: string, change: () => void): void {
    if (this.#isDry) return this.#tell(`would ${attempt}`);
    try {
      change();
    } catch (error) {
      throw failed(attempt, error);
    }
    this.#tell(done);
  }

  /** Of what belongs to that user; undefined where nothing gets an owner. */
  async #ownerIn(user: string): Promise<Owner | undefined> {
    if (this.#root !== undefined || this.#isDry) return undefined;
    const owner = await this.#ownerOf(user);
    if (owner === undefined) throw failed(`give files to ${user}`, new Error("there is no such user"));
    return owner;
  }

  async #ownerOf(user: string): Promise<Owner | undefined> {
    try {
      const [uid, gid] = [await this.#deps.run("id", ["-u", user]), await this.#deps.run("id", ["-g", user])];
      return { uid: Number(uid), gid: Number(gid) };
    } catch {
      return undefined; // id fails for a name that nobody has
    }
  }

  #at(path: string): string {
    return this.#root === undefined ? path : join(this.#root, path);
  }

  #tell(line: string): void {
    this.#deps.tell(line);
  }
}

/** Folders of the system, which everybody may enter, whatever the umask of this shell is. */
function makeParents(path: string): void {
  const folder = dirname(resolve(path));
  const first = mkdirSync(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) chmodSync(made, 0o755);
}

function failed(attempt: string, error: unknown): FogbankError {
  const reason = error instanceof Error ? error.message.trim() : String(error);
  return new FogbankError("FOGBANK_INSTALL_FAILED", `could not ${attempt}: ${reason}`, { cause: error });
}
