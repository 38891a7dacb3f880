/** A title of a workload. */
export interface Titles {
  readonly durationSeconds: Float64Array;
  /** Media time of one segment; every segment of the workload has the same size. */
  readonly segmentSeconds: Float64Array;
}

/** Viewing sessions in order of time. */
export interface Sessions {
  readonly startedSeconds: Float64Array;
  readonly title: Int32Array;
  readonly fromSeconds: Float64Array;
  readonly watchedSeconds: Float64Array;
  /** Whose session it is: 0 for unknown. */
  readonly viewer: Int32Array;
}

/** What a generator knows and a policy does not. */
export interface Truth {
  /** Sessions a wall second that the title sees. */
  rate(title: number, nowSeconds: number): number;
  /** Share of its sessions that are delivered this media. */
  share(title: number, startSeconds: number, endSeconds: number): number;
}

/**
 * Requests for equal-sized segments at the times at which a player would need them, in order of time. A segment is a number:
 * `offset[title] + position`.
 */
export interface Workload {
  readonly name: string;
  readonly segmentBytes: number;
  readonly titles: Titles;
  readonly sessions: Sessions;
  readonly offset: Int32Array;
  readonly titleOf: Int32Array;
  readonly firstSegment: Int32Array;
  readonly segmentCount: Int32Array;
  /** Requested segment and requesting session, in order of time. */
  readonly segment: Int32Array;
  readonly session: Int32Array;
  /** Distinct segments requested. */
  readonly footprint: number;
  readonly truth?: Truth;
}

export interface WorkloadParts {
  readonly name: string;
  readonly segmentBytes: number;
  readonly titles: Titles;
  readonly sessions: Sessions;
  readonly truth?: Truth | undefined;
}

/** Expands sessions to requests and sorts them by second; within a second, by session. */
export function workload(parts: WorkloadParts): Workload {
  const { titles, sessions } = parts;
  const count = sessions.title.length;
  const offset = new Int32Array(titles.durationSeconds.length + 1);
  for (let t = 0; t < titles.durationSeconds.length; t++) offset[t + 1] = offset[t]! + segmentsOf(titles, t);
  const titleOf = new Int32Array(offset.at(-1) ?? 0);
  for (let t = 0; t < titles.durationSeconds.length; t++) titleOf.fill(t, offset[t], offset[t + 1]);
  const firstSegment = new Int32Array(count);
  const segmentCount = new Int32Array(count);
  for (let s = 0; s < count; s++) {
    const title = sessions.title[s]!;
    const width = titles.segmentSeconds[title]!;
    const most = segmentsOf(titles, title);
    const first = Math.min(most - 1, Math.floor(sessions.fromSeconds[s]! / width));
    const last = Math.min(
      most - 1,
      Math.ceil((sessions.fromSeconds[s]! + sessions.watchedSeconds[s]!) / width - 1e-9) - 1,
    );
    firstSegment[s] = first;
    segmentCount[s] = Math.max(1, last - first + 1);
  }
  const order = sortRequests({ titles, sessions, offset, firstSegment, segmentCount });
  const truth = parts.truth === undefined ? {} : { truth: parts.truth };
  return {
    name: parts.name,
    segmentBytes: parts.segmentBytes,
    titles,
    sessions,
    offset,
    titleOf,
    firstSegment,
    segmentCount,
    ...order,
    footprint: distinct(order.segment, titleOf.length),
    ...truth,
  };
}

/** Seconds at which request `index` comes. */
export function requestSeconds(w: Workload, index: number): number {
  const s = w.session[index]!;
  const title = w.sessions.title[s]!;
  const position = w.segment[index]! - w.offset[title]! - w.firstSegment[s]!;
  return w.sessions.startedSeconds[s]! + position * w.titles.segmentSeconds[title]!;
}

function segmentsOf(titles: Titles, title: number): number {
  return Math.max(1, Math.ceil(titles.durationSeconds[title]! / titles.segmentSeconds[title]! - 1e-9));
}

type Expanded = Pick<Workload, 'titles' | 'sessions' | 'offset' | 'firstSegment' | 'segmentCount'>;

/** Counting sort by whole seconds: linear, and stable. */
function sortRequests(w: Expanded): { segment: Int32Array; session: Int32Array } {
  const sessions = w.sessions.title.length;
  const origin = w.sessions.startedSeconds[0] ?? 0;
  let last = 0;
  let total = 0;
  for (let s = 0; s < sessions; s++) {
    total += w.segmentCount[s]!;
    const width = w.titles.segmentSeconds[w.sessions.title[s]!]!;
    last = Math.max(last, w.sessions.startedSeconds[s]! - origin + w.segmentCount[s]! * width);
  }
  const at = new Int32Array(Math.floor(last) + 2);
  for (let s = 0; s < sessions; s++) {
    const width = w.titles.segmentSeconds[w.sessions.title[s]!]!;
    const from = w.sessions.startedSeconds[s]! - origin;
    for (let k = 0; k < w.segmentCount[s]!; k++) at[Math.floor(from + k * width) + 1]! += 1;
  }
  for (let i = 1; i < at.length; i++) at[i]! += at[i - 1]!;
  const segment = new Int32Array(total);
  const session = new Int32Array(total);
  for (let s = 0; s < sessions; s++) {
    const title = w.sessions.title[s]!;
    const width = w.titles.segmentSeconds[title]!;
    const from = w.sessions.startedSeconds[s]! - origin;
    const first = w.offset[title]! + w.firstSegment[s]!;
    for (let k = 0; k < w.segmentCount[s]!; k++) {
      const place = at[Math.floor(from + k * width)]!++;
      segment[place] = first + k;
      session[place] = s;
    }
  }
  return { segment, session };
}

function distinct(segment: Int32Array, limit: number): number {
  const seen = new Uint8Array(limit);
  let count = 0;
  for (const id of segment) {
    if (seen[id] === 0) count += 1;
    seen[id] = 1;
  }
  return count;
}
