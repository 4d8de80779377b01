// OpenSSL's command line as an independent client. Where it is absent, tests that need it skip with a notice.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';

function isMissing(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return false;
  } catch {
    process.stderr.write('skipped: these tests need the command openssl\n');
    return true;
  }
}

export const withoutOpenssl: boolean = isMissing();

/** Runs a command of openssl to its end. */
export function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' });
}

/** What a TLS client saw. */
export interface ClientRun {
  readonly output: string;
  readonly code: number | null;
}

/** `openssl s_client` against a port of this machine, until the other side closes or the time is over. */
export function sClient(
  port: number,
  args: readonly string[],
  options: { readonly stdin?: Uint8Array; readonly millis?: number } = {},
): Promise<ClientRun> {
  const child: ChildProcess = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  const add = (chunk: Buffer): void => {
    output += chunk.toString('latin1');
  };
  child.stdout?.on('data', add);
  child.stderr?.on('data', add);
  child.stdin?.on('error', () => undefined);
  if (options.stdin !== undefined) child.stdin?.write(options.stdin);
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), options.millis ?? 3_000);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ output, code });
    });
  });
}
