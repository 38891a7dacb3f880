import type { Answers, OriginView, TitleView } from './api.js';
import { chartPaths } from './chart.js';
import { element, fill, picture, shape, table } from './elements.js';
import { bitRate, bytes, clock, count, elapsed, milliseconds, percent } from './format.js';
import { type History, HISTORY_MS, RECENT_MS } from './history.js';
import type { Samples } from './samples.js';
import { titleBar } from './title-bar.js';
import { showTrouble } from './trouble.js';

/** Where media to viewers comes from, from the bottom of the chart up. */
const SOURCES = ['disk', 'ram', 'flight', 'pass'] as const;
const SOURCE_NAMES = {
  disk: 'from disk',
  ram: 'from RAM',
  flight: 'while it is fetched',
  pass: 'passed through',
} as const;

const CHART = { width: 1000, height: 200 } as const;
const NOW_MS = 15_000;

/** Shows everything anew. */
export function show(history: History, answers: Answers, nowMs: number): void {
  const samples = history.newest;
  if (samples === undefined) return;
  showState(samples, answers, nowMs);
  fill('tiles', ...tiles(history, samples));
  fill('traffic', ...traffic(history, nowMs));
  fill('titles', ...titles(answers.titles, samples));
  fill('origins', origins(answers.origins, samples));
  fill('cache', cache(history, samples));
  showTrouble(history);
}

/** The proxy does not answer: what was shown last stays. */
export function showSilence(sinceMs: number): void {
  say('bad', `does not answer, for ${elapsed(sinceMs / 1000)}; what is shown is older`);
}

function showState(samples: Samples, { readiness }: Answers, nowMs: number): void {
  const version = samples.of('forebay_build_info')[0]?.labels['version'] ?? '?';
  const upSeconds = nowMs / 1000 - samples.sum('process_start_time_seconds');
  const workers = samples.sum('forebay_workers');
  const team = workers > 0 ? `, ${count(workers)} workers` : '';
  const facts = `${version}, up ${elapsed(upSeconds)}${team}`;
  if (readiness.ready) say('good', `serves; ${facts}`);
  else say('bad', `${readiness.reasons.join(', ')}; ${facts}`);
}

function say(className: string, text: string): void {
  const state = document.getElementById('state');
  if (state === null) return;
  state.className = className;
  state.textContent = text;
}

function tiles(history: History, samples: Samples): HTMLElement[] {
  const perSecond = (name: string): number => history.grown(name, NOW_MS) / history.spanSeconds(NOW_MS);
  const toViewers = history.grown('forebay_viewer_bytes_total', RECENT_MS);
  const fromOrigins = history.grown('forebay_origin_bytes_total', RECENT_MS);
  const missing = history.grown('forebay_gap_seconds_total', RECENT_MS);
  const startup = samples.quantile('forebay_startup_seconds', 0.5);
  const sessions = samples.sum('forebay_viewer_sessions');
  const playing = samples.sum('forebay_viewer_sessions', { state: 'playing' });
  return [
    tile(count(playing), `viewers playing, of ${count(sessions)} sessions`),
    tile(bitRate(perSecond('forebay_viewer_bytes_total')), 'to viewers'),
    tile(bitRate(perSecond('forebay_origin_bytes_total')), 'from origins'),
    tile(
      toViewers > 0 ? percent(Math.max(0, 1 - fromOrigins / toViewers)) : '\u2013',
      `spared the origins, last ${recent(history)}`,
    ),
    tile(milliseconds(startup && startup * 1000), 'PLAY to first packet, median'),
    tile(`${missing.toFixed(1)} s`, `of media came late, last ${recent(history)}`, missing >= 1),
  ];
}

/** What figures of late are about: five minutes, or what the page has seen of them. */
function recent(history: History): string {
  const { seconds, since } = history.seen(RECENT_MS);
  return since === undefined ? '5 min' : elapsed(seconds);
}

function tile(figure: string, says: string, isBad = false): HTMLElement {
  return element(
    'div',
    isBad ? 'tile bad' : 'tile',
    element('strong', '', figure),
    element('span', '', says),
  );
}

function traffic(history: History, nowMs: number): Node[] {
  const areas = SOURCES.map((source) => history.rates('forebay_viewer_bytes_total', { source }));
  const line = history.rates('forebay_origin_bytes_total');
  const {
    areas: paths,
    line: path,
    top,
  } = chartPaths({ areas, line }, { ...CHART, nowMs, spanMs: HISTORY_MS });
  const drawn = [
    ...paths.map((d, i) => shape('path', { d, class: SOURCES[i]! })),
    shape('path', { d: path, class: 'origin' }),
  ];
  const legend = [
    ...SOURCES.map((source) => key(source, SOURCE_NAMES[source])),
    key('origin', 'from origins (line)'),
  ];
  const axis = ['10 min ago', `upper edge ${bitRate(top)}`, 'now'].map((text) => element('span', '', text));
  return [
    element('ul', 'legend', ...legend),
    picture({ ...CHART, className: 'chart', says: 'Media to viewers by source, and from origins' }, ...drawn),
    element('div', 'axis faint', ...axis),
  ];
}

function key(className: string, text: string): HTMLElement {
  return element('li', '', element('i', className), text);
}

function titles(all: readonly TitleView[], samples: Samples): Node[] {
  const columns = [
    { title: 'Title', className: 'name' },
    { title: 'Viewers', className: 'number' },
    { title: 'Length', className: 'number' },
    { title: 'Held', className: 'wide' },
  ];
  const rows = all.map((title) => [
    nameOf(title),
    count(title.viewers),
    title.live ? 'live' : title.durationSeconds === undefined ? '\u2013' : clock(title.durationSeconds),
    titleBar(title),
  ]);
  const legend = [
    key('disk', 'on disk'),
    key('ram', 'in RAM'),
    key('filling', 'being fetched'),
    key('origin', 'origin session'),
  ];
  const made = table(columns, rows, noTitles(samples));
  return rows.length === 0 ? [made] : [element('ul', 'legend', ...legend), made];
}

/** Titles that are on disk since before the start are not known until somebody plays them. */
function noTitles(samples: Samples): string {
  const stored = samples.sum('forebay_segments', { state: 'stored' });
  if (!(stored > 0)) return 'Nothing is held, and nobody plays.';
  return `Nobody has played a title since the start; ${count(stored)} segments are on disk, and forebay ls lists them.`;
}

const STANDINGS = { confirmed: '', unconfirmed: ' (origin does not answer)', refused: ' (gone)' } as const;

function nameOf({ title, standing }: TitleView): HTMLElement {
  const name = element('span', '', title, STANDINGS[standing]);
  name.title = title;
  return name;
}

function origins(all: readonly OriginView[], samples: Samples): HTMLElement {
  const columns = [
    { title: 'Origin', className: 'name' },
    { title: 'Sessions', className: 'number' },
    { title: 'Waiting', className: 'number' },
    { title: 'Start-up', className: 'number' },
    { title: 'Lead', className: 'number' },
  ];
  const rows = all.map(({ route, origin, sessions, startupMs, leadSeconds }) => {
    const most = samples.sum('forebay_origin_session_limit', { origin: route });
    const name = element('span', '', route);
    name.title = origin;
    return [
      name,
      Number.isFinite(most) && most > 0 ? `${sessions.used} of ${most}` : String(sessions.used),
      String(sessions.waiting),
      milliseconds(startupMs.p50),
      `${leadSeconds.toFixed(1)} s`,
    ];
  });
  return table(columns, rows, 'No route is configured.');
}

function cache(history: History, samples: Samples): HTMLElement {
  const rows = (['disk', 'ram'] as const).map((tier) => {
    const held = samples.sum('forebay_cache_bytes', { tier });
    const most = samples.sum('forebay_cache_capacity_bytes', { tier });
    const share = most > 0 ? Math.min(1, held / most) : 0;
    const box = { width: 1000, height: 10, className: 'bar', says: percent(share) };
    const bar = picture(box, shape('rect', { width: 1000 * share, height: 10, class: tier }));
    return [tier === 'disk' ? 'Disk' : 'RAM', bar, most > 0 ? `${bytes(held)} of ${bytes(most)}` : 'off'];
  });
  const admitted = history.grown('forebay_admissions_total', RECENT_MS, { decision: 'admitted' });
  const evicted = history.grown('forebay_evictions_total', RECENT_MS);
  const stored = samples.sum('forebay_segments', { state: 'stored' });
  const counts = `${count(stored)} segments on disk; in ${recent(history)} ${count(admitted)} came, ${count(evicted)} went`;
  return element(
    'div',
    '',
    table(
      [{ title: 'Tier' }, { title: 'Full', className: 'wide' }, { title: '', className: 'number' }],
      rows,
      '',
    ),
    element('p', 'faint', counts),
  );
}
