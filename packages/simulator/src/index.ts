export { drawChart } from './chart.js';
export { runCommand, UsageError } from './command.js';
export { Random } from './random.js';
export { LogError, readLog, type ReadLogOptions } from './read-log.js';
export { ReportError } from './report.js';
export { adviseSizes, type SizeAdvice } from './simulate.js';
export type { Workload } from './workload.js';
