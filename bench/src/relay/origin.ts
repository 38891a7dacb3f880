// The origin of the benchmark, in a process of its own: titles of several bitrates, and one that is live. Ends with its
// parent.
import { RigOrigin, type Title } from '@forebay/rig';
import { BITRATES_KBPS, titleOf, USUAL_KBPS } from './titles.js';

const titles: Record<string, Title | { title: Title; live: true }> = {};
for (const kbps of BITRATES_KBPS) titles[`/held-${kbps}`] = titleOf(kbps);
titles['/live'] = { title: titleOf(USUAL_KBPS), live: true };

const origin = await RigOrigin.start({ titles });
process.stdout.write(`port ${origin.port}\n`);
process.stdin.resume().on('end', () => process.exit());
// Ctrl-C reaches the whole group; the parent tidies up first.
process.on('SIGINT', () => undefined);
