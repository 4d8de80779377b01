// Prints the catalogue of cheats as a table: number, name, the reason that each must be refused for, and whether it was.
// The last line says it of all; vitest's exit code is 1 where one came through.
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** What the suite tells of each of its tests. */
interface CheatMeta {
  readonly cheat?: { readonly number: string; readonly name: string; readonly reason: string };
}

const NAME_WIDTH = 54;
const REASON_WIDTH = 42;

export default class CheatReporter implements Reporter {
  readonly #numbers = new Set<string>();
  #lines = 0;
  #accepted = 0;

  onInit(): void {
    print(line('no.', 'cheat', 'must be refused as', 'refused'));
  }

  onTestCaseResult(test: TestCase): void {
    const { cheat } = test.meta() as CheatMeta;
    const result = test.result();
    const isGood = result.state === 'passed';
    if (cheat !== undefined) {
      this.#lines += 1;
      this.#numbers.add(cheat.number);
      if (!isGood) this.#accepted += 1;
      print(line(cheat.number, cheat.name, cheat.reason, isGood ? 'yes' : 'NO'));
    }
    if (!isGood) for (const { message } of result.errors ?? []) print(`     ${test.fullName}: ${message}`);
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly { readonly message: string }[]): void {
    const faults = [...errors, ...modules.flatMap((module) => module.errors())];
    for (const { message } of faults) print(message);
    const rivals = [...this.#numbers].filter((number) => number.startsWith('R')).length;
    const told = this.#accepted === 0 ? 'all refused' : `${this.#accepted} NOT refused`;
    print(
      `\n${this.#numbers.size - rivals} cheats of the catalogue and ${rivals} of a rival, in ${this.#lines} forms: ${told}`,
    );
  }
}

function line(number: string, name: string, reason: string, refused: string): string {
  return `${number.padStart(4)} ${name.padEnd(NAME_WIDTH)} ${reason.padEnd(REASON_WIDTH)} ${refused}`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
