// Which configuration file a node reads when it is told none: ours, or that of the Utopia document at one of its two places [U17].

/** Only the first that is there is read: files are never merged [U-T3]. */
const systemConfigFiles = ["/etc/fogbank/fogbank.conf", "/etc/utopia/utopiad.conf", "/etc/utopiad.conf"] as const;

/** The path of it, if there is one. `readFile` throws an error with the code ENOENT for what is not there. One that is there and cannot be read is the one. */
export function systemConfigFile(readFile: (path: string) => string): string | undefined {
  return systemConfigFiles.find((path) => {
    try {
      readFile(path);
      return true;
    } catch (error) {
      // Deno says so without a code when it has no right to look.
      const code = error instanceof Error && "code" in error ? String(error.code) : "ENOENT";
      return code !== "ENOENT" && code !== "ENOTDIR";
    }
  });
}
