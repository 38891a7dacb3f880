import { access, constants, mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Control groups, version 1, and what bounds processor time in them. Source: Linux, sched-bwc.rst */
const GROUPS = '/sys/fs/cgroup/cpu';
const [QUOTA, PERIOD, MEMBERS] = ['cpu.cfs_quota_us', 'cpu.cfs_period_us', 'cgroup.procs'] as const;
/** Short beside the lateness that counts: who has used up its share waits for the next period. */
const PERIOD_US = 5000;

/** Processes that get no more than a share of a core each, as if theirs were a slower one. */
export class Quotas {
  readonly #share: number;
  readonly #bound = new Map<number, string>();

  constructor(share: number) {
    this.#share = share;
  }

  /** Whether this machine lets us. */
  static async areAllowed(): Promise<boolean> {
    const canWrite = access(join(GROUPS, QUOTA), constants.R_OK).then(() => access(GROUPS, constants.W_OK));
    return await canWrite.then(
      () => true,
      () => false,
    );
  }

  /** Each of these processes has the share for itself. */
  async bind(pids: readonly number[]): Promise<void> {
    for (const pid of pids) {
      const group = join(GROUPS, `forebay-bench-${pid}`);
      await mkdir(group);
      this.#bound.set(pid, group);
      await writeFile(join(group, PERIOD), String(PERIOD_US));
      await writeFile(join(group, QUOTA), String(Math.round(PERIOD_US * this.#share)));
      await writeFile(join(group, MEMBERS), String(pid));
    }
  }

  /** They may have all there is again. */
  async release(): Promise<void> {
    for (const [pid, group] of this.#bound) {
      // One that is gone has left its group.
      await writeFile(join(GROUPS, MEMBERS), String(pid)).catch(() => undefined);
      await rmdir(group);
    }
    this.#bound.clear();
  }
}
