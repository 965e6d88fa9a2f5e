// The style that checks itself: reads the sources and the project's files, and fails where they leave the agreed shape.
// What oxlint also knows (imports, globals) is checked here again because a linter that looks away is green.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, posix, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { codeOf, functionsOf, importsOf } from "./scan-source.ts";

const fileLinesMax = 500;
const functionLinesMax = 70;

/** `file` or `file#function` that is longer than the rule of thumb, and why it is better so. */
const longOnPurpose: Readonly<Record<string, string>> = {
  "agent/node.ts#startNode": "the wiring of all parts, to be read as one list in its order",
  "agent/broker/core-broker.ts#constructor": "the wiring of the broker's parts, in the same way",
};

/** Tests under test/{agent,cloud,shared,scripts}/ that mirror no single source file, and why. */
const mirrorsNothing: Readonly<Record<string, string>> = {};

/** Topics of shared/ that know another one, and why. */
const topicsThatMeet: Readonly<Record<string, string>> = {
  "link -> journal": "a link's frames carry segments, and interval sets say which of them are stored",
  "system -> journal": "what a session's client has confirmed is an interval set, as a stream's ledger is",
  "level -> machine": "both kinds of calls have the same ids, values and encodings",
  "level -> link": "directed requests are frames of a link, and go along the path that the link's greeting tells",
  "presence -> link": "what is concluded about a network stems from the ends of its links",
  "registry -> machine": "what devices post has the same values that JSON and CBOR both can carry",
  "fellows -> link": "messages between fellows are read with the same care as frames of a link",
  "machine -> link": "calls and receipts are frames of a link: they are read with the same care",
};

/** Files of shared/ that may import a package, and which. */
const packageOf: Readonly<Record<string, string>> = {
  "shared/cbor.ts": "cbor-x",
  "shared/condition/syntax-tree.ts": "@marcbachmann/cel-js",
};

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const ignoredFolders = [
  ".git",
  ...read(".gitignore")
    .split("\n")
    .filter((line) => line.endsWith("/"))
    .map((line) => line.slice(0, -1)),
];

/** Every file of the project, tracked or about to be, relative to its root. */
const files = listFiles("");
const sources = files.filter((file) => /\.(ts|mjs)$/.test(file));
const codeByFile = new Map(sources.map((file) => [file, codeOf(read(file))]));

test("the walk over the project finds its files", () => {
  expect(files).toEqual(expect.arrayContaining(["package.json", "shared/errors.ts", "test/tidy.test.ts"]));
});

test("agent -> shared <- cloud: only agent/main.ts loads cloud/, and nothing imports scripts/ or test/", () => {
  // The command line of test/simulation/, whose nodes are made of the tests' fakes.
  const commandOfTests = "scripts/simulate.ts";
  const allowed: Readonly<Record<string, readonly string[]>> = {
    agent: ["agent", "shared"],
    client: ["client", "shared"],
    cloud: ["cloud", "shared"],
    examples: [],
    shared: ["shared"],
    scripts: ["agent", "client", "cloud", "shared", "scripts"],
    test: ["agent", "client", "cloud", "examples", "shared", "scripts", "test"],
  };
  const crossings = edges().filter(({ from, to }) => {
    const target = tierOf(to);
    if (from === commandOfTests && to.startsWith("test/simulation/")) return false;
    if (target === undefined || from === "agent/main.ts") return target === "scripts" || target === "test";
    return !(allowed[tierOf(from) ?? ""] ?? []).includes(target);
  });
  expect(crossings).toEqual([]);
});

test("what only `fogbank doctor` uses is loaded when it runs: a node never does", () => {
  const isDoctor = (file: string): boolean => file.startsWith("agent/doctor/") || file.endsWith("/render-findings.ts");
  const users = edges().filter(({ from, to }) => isDoctor(to) && !isDoctor(from) && tierOf(from) === "agent");
  expect([...new Set(users.map(({ from }) => from))]).toEqual(["agent/cli/doctor.ts"]);
  expect(codeByFile.get("agent/cli/doctor.ts")).toMatch(/await import\(/);
  expect(read("agent/cli/doctor.ts")).not.toMatch(/^import .*(?:doctor\/|render-findings)/m);
});

test("the parts of agent/ and the topics of shared/ are strangers to each other", () => {
  const parts = new Set(["broker", "link", "journal", "presence", "machine", "level", "kv", "blocks"]);
  const usedByAllTopics = new Set(["mqtt", "condition", "system"]);
  const meetings = edges().filter(({ from, to }) => {
    const [a, b] = [folderOf(from), folderOf(to)];
    if (tierOf(from) !== tierOf(to) || a === undefined || b === undefined || a === b) return false;
    if (tierOf(from) === "agent") return parts.has(a) && parts.has(b);
    return tierOf(from) === "shared" && !usedByAllTopics.has(b) && topicsThatMeet[`${a} -> ${b}`] === undefined;
  });
  expect(meetings).toEqual([]);
});

test("shared/ is pure: each package behind its one file, no clock, chance, timers or process", () => {
  const impure =
    /(?<![.\w#$])(?:Date|Buffer|process|performance|console|crypto|fetch|navigator|globalThis|global|require|(?:set|clear)(?:Timeout|Interval|Immediate)|queueMicrotask)\b(?!\??:)|\bMath\.random\b|\bAbortSignal\.timeout\b/g;
  const found = sources
    .filter((file) => tierOf(file) === "shared")
    .flatMap((file) => {
      const packages = importsOf(read(file)).filter((name) => !name.startsWith("."));
      const own = packageOf[file];
      const foreign = packages.filter((name) => own === undefined || !name.startsWith(own));
      const globals = [...(codeByFile.get(file) ?? "").matchAll(impure)].map(([name]) => name);
      return [...foreign, ...globals].map((name) => `${file}: ${name}`);
    });
  expect(found).toEqual([]);
});

test("one part of agent/ knows aedes", () => {
  const users = sources.filter((file) => importsOf(read(file)).some((name) => /^aedes($|\/)/.test(name)));
  expect(users.filter((file) => !/^(agent\/broker|test|scripts)\//.test(file))).toEqual([]);
});

test("client/ has nothing of Node, and of packages only mqtt, in one file", () => {
  const own = sources.filter((file) => tierOf(file) === "client");
  expect(own.length).toBeGreaterThan(5);
  const packages = own.flatMap((file) =>
    importsOf(read(file))
      .filter((name) => !name.startsWith("."))
      .map((name) => `${file}: ${name}`),
  );
  expect([...new Set(packages)]).toEqual(["client/connection.ts: mqtt"]);
  const ofNode = /(?<![.\w#$])(?:Buffer|process|global|require|setImmediate)\b(?!\??:)/g;
  // One assertion about a type of the package, which the compiler takes out.
  const code = own.map((file) => (codeByFile.get(file) ?? "").replace(/ as Buffer\b/g, ""));
  expect(code.flatMap((text) => [...text.matchAll(ofNode)].map(([name]) => name))).toEqual([]);
});

test("one file knows the validator of JSON Schemas", () => {
  const users = sources.filter((file) => importsOf(read(file)).some((name) => name.startsWith("@cfworker/")));
  expect(users).toEqual(["agent/functions/argument-schema.ts"]);
});

test("one file knows the parser of XML", () => {
  const users = sources.filter((file) => importsOf(read(file)).some((name) => name.startsWith("libxml2-wasm")));
  expect(users).toEqual(["cloud/registry/device-class/xml-library.ts"]);
});

test("only agent/system/ reads the clock or sets timers", () => {
  const timers =
    /(?<![.\w#$])set(?:Timeout|Interval)\(|\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bAbortSignal\.timeout\b/g;
  const found = sources
    .filter((file) => /^(agent|cloud)\//.test(file) && !/^agent\/(system|http\/page)\//.test(file))
    .flatMap((file) => [...(codeByFile.get(file) ?? "").matchAll(timers)].map(([name]) => `${file}: ${name}`));
  expect(found).toEqual([]);
});

test("names are kebab-case and say something", () => {
  const saysNothing = /^(utils?|helpers?|common|types?|constants?|index|misc)$/;
  const wrong = files
    .filter((file) => tierOf(file) !== undefined)
    .flatMap((file) => {
      const name = basename(file);
      const folders = dirname(file).split("/");
      const isKebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)+$/.test(name) || /^[A-Z]+\.md$/.test(name);
      const isEmpty = /\.(ts|mjs)$/.test(name) && saysNothing.test(name.split(".")[0] ?? "");
      const badFolder = folders.some((folder) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(folder) || saysNothing.test(folder));
      return !isKebab || isEmpty || badFolder ? [file] : [];
    });
  expect(wrong).toEqual([]);
});

test(`no file is longer than ${fileLinesMax} lines and no function than ${functionLinesMax}, but on purpose`, () => {
  const long = new Map<string, string>();
  for (const [file, code] of codeByFile) {
    const lines = code.split("\n").length - 1;
    if (lines > fileLinesMax) long.set(file, `${lines} lines`);
    for (const span of functionsOf(code)) {
      const isSuite =
        file.startsWith("test/") && /^\s*(?:test(?:\.\w+)?|clause)\(/m.test(span.code.split("\n").slice(1).join("\n"));
      if (span.lines > functionLinesMax && !isSuite)
        long.set(`${file}#${span.name}`, `${span.lines} lines from line ${span.line}`);
    }
  }
  const purposes = Object.keys(longOnPurpose);
  expect(Object.fromEntries([...long].filter(([name]) => !purposes.includes(name)))).toEqual({});
  expect(
    purposes.filter((name) => !long.has(name)),
    "entries of longOnPurpose that are short now",
  ).toEqual([]);
});

test("every source is TypeScript and known to tsc", () => {
  expect(sources.filter((file) => file.endsWith(".mjs"))).toEqual(["scripts/setup.mjs"]); // Node 20 must run that one
  expect(files.filter((file) => /\.([mc]?jsx?|[mc]ts|tsx)$/.test(file) && file !== "scripts/setup.mjs")).toEqual([]);
  const known = new Set<string>();
  for (const project of files.filter((file) => basename(file) === "tsconfig.json")) {
    const tsc = [join(root, "node_modules/typescript/bin/tsc"), "--listFilesOnly", "-p", project];
    const listed = execFileSync(process.execPath, tsc, { cwd: root, encoding: "utf8" }).split("\n");
    for (const line of listed) known.add(relative(root, line.trim()));
  }
  expect(sources.filter((file) => file.endsWith(".ts") && !known.has(file))).toEqual([]);
});

test("every file under test/ runs: a *.test.ts, a fake, or imported by one", () => {
  const used = new Set(edges().map(({ to }) => to));
  const config = read("test/vitest.config.ts");
  const idle = sources.filter((file) => {
    if (!file.startsWith("test/") || file.startsWith("test/fakes/") || /^[a-z0-9.-]+\.test\.ts$/.test(basename(file)))
      return false;
    return !used.has(file) && file !== "test/vitest.config.ts" && !config.includes(`"${file}"`);
  });
  expect(idle).toEqual([]);
  const suites = sources.filter((file) => file.startsWith("test/contract/"));
  expect(suites.filter((file) => !file.endsWith("-contract.ts") && !file.endsWith(".test.ts"))).toEqual([]);
});

test("a test mirrors the source it is about", () => {
  const orphans = sources.filter((file) => {
    const mirrored = /^test\/((?:agent|client|cloud|shared|scripts)\/.*?[^/.]+)(?:\.[a-z-]+)?\.test\.ts$/.exec(
      file,
    )?.[1];
    return (
      mirrored !== undefined && !existsSync(join(root, `${mirrored}.ts`)) && !existsSync(join(root, `${mirrored}.mjs`))
    );
  });
  expect(orphans.toSorted()).toEqual(Object.keys(mirrorsNothing).toSorted());
});

test("no test is singled out, and no text is run as code", () => {
  const forbidden = /\b(?:test|it|describe|suite)(?:\.\w+)*\.only\b|(?<![.\w])eval\(|\bnew Function\b/g;
  const found = [...codeByFile].flatMap(([file, code]) =>
    [...code.matchAll(forbidden)].map(([text]) => `${file}: ${text}`),
  );
  expect(found).toEqual([]);
});

interface PackageLists {
  readonly [list: string]: unknown;
}

const dependencyLists = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"] as const;

test("versions are exact, and package-lock.json agrees with package.json", () => {
  const manifest = JSON.parse(read("package.json")) as PackageLists;
  const lock = JSON.parse(read("package-lock.json")) as { readonly packages: Readonly<Record<string, PackageLists>> };
  for (const list of dependencyLists) {
    expect(lock.packages[""]?.[list], list).toEqual(manifest[list]);
    const loose = Object.entries(manifest[list] ?? {}).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(String(version)),
    );
    expect(loose, list).toEqual([]);
  }
});

test("the lock file names no host, and every package in it has a checksum", () => {
  const lock = JSON.parse(read("package-lock.json")) as { readonly packages: Readonly<Record<string, PackageLists>> };
  const packages = Object.entries(lock.packages).filter(([path]) => path !== "");
  expect(packages.filter(([, entry]) => entry["resolved"] !== undefined).map(([path]) => path)).toEqual([]);
  expect(packages.filter(([, entry]) => entry["integrity"] === undefined).map(([path]) => path)).toEqual([]);
  expect(read("package-lock.json")).not.toMatch(/:\/\/[^"/]*(?:registry|npm\.)/);
  expect(read(".npmrc").split("\n")).toContain("omit-lockfile-registry-resolved=true");
  expect(read(".npmrc")).not.toMatch(/registry\s*=|_auth/);
});

test("the README lists every error code, and no other", () => {
  const readme = existsSync(join(root, "README.md")) ? read("README.md") : "";
  const codes = read("shared/errors.ts").match(/(?<=\| ")FOGBANK_[A-Z_]+(?=")/g) ?? [];
  expect(codes.length).toBeGreaterThan(10);
  const section = /^## [^\n]*error[^\n]*\n([^]*?)(?=^## |(?![^]))/im.exec(readme)?.[1];
  if (section === undefined) return; // not written yet
  expect([...new Set(section.match(/\bFOGBANK_[A-Z_]+\b/g) ?? [])].toSorted()).toEqual(codes.toSorted());
});

test("no text names a path of somebody's machine, or a document that is not in the project", () => {
  const texts = files.filter((file) => /\.(ts|mjs|md|json|ya?ml|service|sh|html|css)$|^\.|(^|\/)[^.]+$/.test(file));
  const elsewhere = new RegExp(["work", "root"].map((folder) => `(?<![\\w.~})-])/${folder}/`).join("|"), "g");
  const documents = new Set(files.map((file) => basename(file)));
  const found = texts.flatMap((file) => {
    const text = read(file);
    const missing = [...text.matchAll(/[\w-]+\.md\b/g)].map(([name]) => name).filter((name) => !documents.has(name));
    return [...(text.match(elsewhere) ?? []), ...missing].map((name) => `${file}: ${name}`);
  });
  expect(found).toEqual([]);
});

test("the scanner tells code from text and measures functions", () => {
  const text = [
    'const a = /"{/.test(x) ? 4 / 2 : 1; // {',
    "export function f<T>(",
    "  b: T,",
    "): Promise<[a: T, b: () => void]> {",
    "  if (b) {",
    "    return `{${g(() => {",
    "      eval();",
    "    })}{`;",
    "  }",
    "  return { /* } */",
    "    async *h(x: string): AsyncIterable<string> {",
    "      yield x;",
    "    },",
    "  };",
    "}",
    "",
  ].join("\n");
  const code = codeOf(text);
  expect(code.split("\n").length).toBe(text.split("\n").length);
  expect(code).toContain("eval()");
  expect(code).not.toContain('"');
  expect(functionsOf(code).map(({ name, line, lines }) => [name, line, lines])).toEqual([
    ["g", 6, 3],
    ["h", 11, 3],
    ["f", 2, 11],
  ]);
});

/** Imports of one file of the project by another, resolved. */
function edges(): readonly { readonly from: string; readonly to: string }[] {
  return sources.flatMap((from) =>
    importsOf(read(from)).flatMap((name) => {
      if (name.startsWith("#")) return [{ from, to: name.slice(1) }];
      if (name.startsWith(".")) return [{ from, to: posix.join(posix.dirname(from), name) }];
      return [];
    }),
  );
}

function tierOf(file: string): string | undefined {
  return /^(agent|client|cloud|examples|shared|scripts|test)\//.exec(file)?.[1];
}

/** The folder right under the tier, if the file is in one. */
function folderOf(file: string): string | undefined {
  return /^\w+\/([\w-]+)\//.exec(file)?.[1];
}

function listFiles(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return ignoredFolders.includes(entry.name) ? [] : listFiles(path);
    return entry.isFile() && !entry.name.endsWith(".log") ? [path] : [];
  });
}
