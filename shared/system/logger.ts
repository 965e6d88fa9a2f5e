// What the parts write for operators: a constant phrase, the data in fields, once per change of state.

export interface Logger {
  debug(fields: object, phrase: string): void;
  info(fields: object, phrase: string): void;
  warn(fields: object, phrase: string): void;
  error(fields: object, phrase: string): void;
  child(fields: object): Logger;
}
