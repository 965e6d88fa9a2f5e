// How long the names of devices may be, and how much a device may have stored of what it posts.

export const registryLimits = {
  /** Characters of a host name: what the first registries of devices had room for. */
  hostChars: 128,
  /** Characters of a zone, as in a node's configuration. */
  zoneChars: 64,
  /** Characters of a device class and of a post: each is one topic level. */
  classChars: 64,
  postChars: 64,
  /** Names in one dictionary of posts, at each of its levels: a device that counts in its topics does not grow for ever. */
  dictionaryNames: 1_000,
  /** Levels behind the post of a device topic: as deep as a value may nest, and no deeper. */
  dataLevels: 16,
} as const;
