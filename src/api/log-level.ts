/** `log-level`: what is logged of which component, while the module runs. */
import { LOG_COMPONENTS, LOG_LEVELS, type LogComponent, type LogLevel } from '../core/ports.js';
import type { MeshLog } from '../store/log.js';
import { done, json, misuse, type CliOutcome } from './outcome.js';
import { tableText } from './status.js';

export type LeveledLog = Pick<MeshLog, 'levels' | 'setLevel' | 'setLevels'>;

/** In place of a component. */
const ALL = 'all';

export function logLevelCommand(
  log: LeveledLog,
  [component = ALL, level]: readonly string[],
  asJson: boolean,
): CliOutcome {
  if (component !== ALL && !isComponent(component)) {
    return misuse(`'${component}' is no component; components are ${[...LOG_COMPONENTS, ALL].join(', ')}`);
  }
  if (level !== undefined) {
    if (!isLevel(level)) return misuse(`'${level}' is no level; levels are ${LOG_LEVELS.join(', ')}`);
    if (component === ALL) log.setLevels({ level });
    else log.setLevel(component, level);
  }
  const shown = [...log.levels].filter(([name]) => component === ALL || name === component);
  return asJson ? json(Object.fromEntries(shown)) : done(tableText(['component', 'level'], shown));
}

function isComponent(text: string): text is LogComponent {
  return (LOG_COMPONENTS as readonly string[]).includes(text);
}

function isLevel(text: string): text is LogLevel {
  return (LOG_LEVELS as readonly string[]).includes(text);
}
