/** What the doctor found at one place: a line for people, a row for scripts. */
export interface Finding {
  /** A few words, the same in every run. */
  readonly check: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** What to do; empty where all is well. */
  readonly remedy: string;
}

export function fine(check: string, found: string): Finding {
  return { check, status: 'ok', found, remedy: '' };
}

export function warning(check: string, found: string, remedy: string): Finding {
  return { check, status: 'warn', found, remedy };
}

export function failure(check: string, found: string, remedy: string): Finding {
  return { check, status: 'fail', found, remedy };
}
