/** Types of troubleshooting-page.mjs, for the test that holds the page to it. */
export declare const FAULTS: Readonly<
  Record<
    string,
    { readonly cause: string; readonly finds: RegExp; readonly meaning: string; readonly remedy: string }
  >
>;
export declare function pageOf(done: unknown): string;
