// Chance, handed in so that a test can repeat it.

export interface Random {
  /** In [0, 1). */
  unit(): number;
  /** Unsigned 32-bit, never 0. */
  uint32(): number;
  uuid(): string;
}
