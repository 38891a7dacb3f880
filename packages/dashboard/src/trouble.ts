import { fill, table } from './elements.js';
import { count, elapsed } from './format.js';
import { type Beginning, type History, RECENT_MS } from './history.js';

interface Kind {
  readonly counter: string;
  /** Its label that says what it was. */
  readonly label: string;
  readonly says: string;
  /** Which values of the label are trouble; all unless given. */
  readonly isTrouble?: (value: string) => boolean;
}

/** Counters of what went wrong. */
const TROUBLE: readonly Kind[] = [
  { counter: 'forebay_origin_faults_total', label: 'reason', says: 'origin failed' },
  { counter: 'forebay_stale_serves_total', label: 'origin', says: 'served without its origin' },
  {
    counter: 'forebay_requests_total',
    label: 'status',
    says: 'viewer got an error',
    isTrouble: (status) => status.startsWith('5'),
  },
  {
    counter: 'forebay_seams_total',
    label: 'result',
    says: 'seam not joined',
    isTrouble: (result) => result === 'failed',
  },
  { counter: 'forebay_store_faults_total', label: 'reason', says: 'disk trouble' },
  { counter: 'forebay_rejects_total', label: 'reason', says: 'refused' },
  { counter: 'forebay_worker_restarts_total', label: 'reason', says: 'worker replaced' },
  {
    counter: 'forebay_access_log_lines_total',
    label: 'result',
    says: 'access log line lost',
    isTrouble: (result) => result === 'dropped',
  },
];

const SINCE: Readonly<Record<Beginning, string>> = {
  opened: 'this page was opened',
  restarted: 'the proxy was started anew',
  unseen: 'this page was seen again',
};

/** What went wrong lately; while the page has seen less than that, also what went wrong before. */
export function showTrouble(history: History): void {
  const { seconds, since } = history.seen(RECENT_MS);
  const span =
    since === undefined ? ', last five minutes' : ` since ${SINCE[since]}, ${elapsed(seconds)} ago`;
  fill('trouble-title', `Trouble${span}`);
  fill('trouble', troubleTable(history, since === undefined));
}

function troubleTable(history: History, isWhole: boolean): HTMLElement {
  const rows = TROUBLE.flatMap(({ counter, label, says, isTrouble = () => true }) =>
    history
      .countedBy(counter, label, RECENT_MS)
      .filter(({ value, grown, total }) => isTrouble(value) && (isWhole ? grown : total) > 0)
      .map(({ value, grown, total }) => [says, value, count(grown), count(total)]),
  );
  const columns = [
    { title: 'What' },
    { title: 'Why' },
    { title: 'Times', className: 'number' },
    { title: 'Since the start', className: 'number' },
  ];
  return table(columns, rows, isWhole ? 'None.' : 'None since the proxy was started.');
}
