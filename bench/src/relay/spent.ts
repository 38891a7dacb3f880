import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What a process has used since it began. */
export interface Spent {
  /** Processor time of all its threads and of the processes of its group: as `getrusage`, but for threads that ended. */
  readonly cpuNs: number;
  /** System calls that write, as the kernel counts them; batches of datagrams are not among them. */
  readonly writes: number;
}

/** Source: Linux, proc(5), /proc/pid/task/tid/schedstat and /proc/pid/io. */
export async function spentBy(pid: number): Promise<Spent> {
  let cpuNs = 0;
  let writes = 0;
  for (const each of await groupOf(pid)) {
    for (const thread of await readdir(`/proc/${each}/task`).catch(() => [])) {
      const text = await readFile(`/proc/${each}/task/${thread}/schedstat`, 'latin1').catch(() => '0');
      cpuNs += Number(text.split(' ', 1)[0]);
    }
    const io = await readFile(`/proc/${each}/io`, 'latin1').catch(() => '');
    writes += Number(/^syscw: (\d+)/m.exec(io)?.[1] ?? 0);
  }
  return { cpuNs, writes };
}

/** Memory that the process has resident, bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Keeps a process, with all its threads, on one core. Nothing happens where there is only one, or no `taskset`. */
export async function pin(pid: number, core: number): Promise<void> {
  await run('taskset', ['-a', '-p', '-c', String(core), String(pid)]).catch(() => undefined);
}

/** The process, and those that it began if it leads a group. */
async function groupOf(pid: number): Promise<number[]> {
  const members = [pid];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === pid) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '');
    // State, parent, group follow the name in parentheses.
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) === pid) members.push(Number(name));
  }
  return members;
}
