// The file of the embedded coordinator. What is ephemeral is not in it: it ends with the process.
export const coordinationMigrations: readonly string[] = [
  `CREATE TABLE entry(
     path TEXT PRIMARY KEY,
     data BLOB NOT NULL,
     version INTEGER NOT NULL,
     next INTEGER NOT NULL -- number of the next sequential child
   ) WITHOUT ROWID;`,
];
