// The arguments of a request to the store that needs none.
export type Nothing = Readonly<Record<string, never>>;
