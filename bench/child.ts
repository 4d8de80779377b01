/** Child processes that a bench orders about: calls over the channel of `fork`, one answer to each. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What a child can be asked for, by name: what it takes and gives passes as JSON. */
export type Operations = Readonly<Record<string, (given: never) => unknown>>;

interface Call {
  readonly id: number;
  readonly name: string;
  readonly given: unknown;
}

type Answer = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });

/** The caller's side. */
export class Child<O extends Operations> {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #calls = 0;

  /** @param name of the module in this folder, without its ending @param args for Node.js */
  constructor(name: string, args: readonly string[] = []) {
    const file = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
    this.#process = fork(file, { execArgv: [...args] });
    this.#process.on('message', (answer: Answer) => {
      const tell = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      tell?.(answer);
    });
    this.#process.on('exit', (code) => {
      for (const [id, tell] of this.#waiting) tell({ id, error: `it ended with ${code ?? 'a signal'}` });
      this.#waiting.clear();
    });
  }

  async call<K extends keyof O & string>(
    name: K,
    ...[given]: Parameters<O[K]>
  ): Promise<Awaited<ReturnType<O[K]>>> {
    const id = ++this.#calls;
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      const call: Call = { id, name, given };
      this.#process.send(call);
    });
    if ('error' in answer) throw new Error(`${name}: ${answer.error}`);
    return answer.result as Awaited<ReturnType<O[K]>>;
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, 'exit');
    this.#process.disconnect();
    await gone;
  }
}

/** The child's side; ends with its parent. @param onEnd what is to be done before */
export function answerCalls(operations: Operations, onEnd: () => unknown = () => undefined): void {
  const answer = async ({ id, name, given }: Call): Promise<void> => {
    const send = (message: Answer): void => void process.send?.(message);
    try {
      const operation = operations[name];
      if (operation === undefined) throw new Error('there is no such operation');
      send({ id, result: await operation(given as never) });
    } catch (error) {
      send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  };
  process.on('message', (call: Call) => void answer(call));
  process.on('disconnect', () => {
    void Promise.resolve(onEnd()).finally(() => process.exit());
  });
}
