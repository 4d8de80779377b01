/** The version of this module, as package.json has it (a test compares them). */
export const VERSION = '0.1.0';

/** The name under which the node knows this module (module.toml). */
export const MODULE_NAME = 'blvm-mesh';
