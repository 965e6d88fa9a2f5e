// Typed in a shell, `node_modules/.bin/vitest run` takes the machine's Node, and a green run there proves nothing.

/** vitest calls this once before the first test. Throws unless Node is 24 or later. */
export function setup(): void {
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= 24) return;
  throw new Error(`the tests need Node 24 and run on ${process.version}: start them with "npm test" or "npx vitest"`);
}
