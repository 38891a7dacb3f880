import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Where bytes towards a viewer came from. */
export type Source = 'ram' | 'disk' | 'flight' | 'sibling' | 'pass';

/** How a seam was joined. */
export type SeamResult = 'content' | 'time' | 'failed';

const STARTUP_BUCKETS_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10];

const WAIT_BUCKETS_SECONDS = [0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120];
const JITTER_BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5];

/** Every metric of the proxy. Values that change per packet are plain numbers, published when scraped. */
export class Metrics {
  readonly registry = new Registry();
  /** Plain counters of the hot path. */
  readonly viewerBytes: Record<Source, number> = { ram: 0, disk: 0, flight: 0, sibling: 0, pass: 0 };
  readonly viewerSessions = this.#gauge('forebay_viewer_sessions', 'Viewer sessions, by state.', ['state']);
  readonly viewerConnections = this.#gauge('forebay_viewer_connections', 'Open control connections.', []);
  readonly originSessions = this.#gauge('forebay_origin_sessions', 'Open origin sessions.', ['origin']);
  readonly originBytes = this.#counter('forebay_origin_bytes_total', 'Media bytes from origins.', ['origin']);
  readonly originRequests = this.#counter(
    'forebay_origin_requests_total',
    'RTSP requests to origins by answer.',
    ['origin', 'method', 'status'],
  );
  readonly originFaults = this.#counter('forebay_origin_faults_total', 'Origin failures by code.', [
    'origin',
    'reason',
  ]);
  readonly unseekableTitles = this.#counter(
    'forebay_unseekable_titles_total',
    'Titles that their origin plays from the beginning only.',
    ['origin'],
  );
  readonly staleServes = this.#counter(
    'forebay_stale_serves_total',
    'Titles served that their origin could not confirm.',
    ['origin'],
  );
  readonly requests = this.#counter('forebay_requests_total', 'RTSP requests of viewers by answer.', [
    'method',
    'status',
  ]);
  readonly startup = this.#histogram('forebay_startup_seconds', {
    help: 'PLAY received to first RTP written.',
    labelNames: ['source'],
    buckets: STARTUP_BUCKETS_SECONDS,
  });
  readonly originStartup = this.#histogram('forebay_origin_startup_seconds', {
    help: 'Origin asked to first RTP packet.',
    labelNames: ['origin'],
    buckets: STARTUP_BUCKETS_SECONDS,
  });
  readonly originLead = this.#gauge('forebay_origin_lead_seconds', 'Lead time before a seam.', ['origin']);
  readonly originWaiting = this.#gauge('forebay_origin_waiting', 'Waiting for an origin session.', [
    'origin',
  ]);
  readonly originBudget = this.#gauge('forebay_origin_session_limit', 'Origin sessions at a time.', [
    'origin',
  ]);
  readonly originWait = this.#histogram('forebay_origin_wait_seconds', {
    help: 'Wait for an origin session, of those that had to wait.',
    labelNames: ['origin', 'need'],
    buckets: WAIT_BUCKETS_SECONDS,
  });
  readonly cacheBytes = this.#gauge('forebay_cache_bytes', 'Bytes held, by tier.', ['tier']);
  readonly cacheCapacity = this.#gauge('forebay_cache_capacity_bytes', 'Byte limit, by tier.', ['tier']);
  readonly segments = this.#gauge('forebay_segments', 'Segments by state.', ['state']);
  readonly admissions = this.#counter('forebay_admissions_total', 'Admission decisions.', [
    'decision',
    'reason',
  ]);
  readonly evictions = this.#counter('forebay_evictions_total', 'Segments dropped, by reason.', ['reason']);
  readonly storeFaults = this.#counter('forebay_store_faults_total', 'Disk trouble by code.', ['reason']);
  readonly seams = this.#counter('forebay_seams_total', 'Seams joined, by how.', ['result']);
  readonly scaledPlays = this.#counter(
    'forebay_scaled_plays_total',
    'PLAYs with a Scale, by what was played.',
    ['way'],
  );
  readonly gapSeconds = this.#counter('forebay_gap_seconds_total', 'Media time missing when due.', []);
  readonly rejects = this.#counter('forebay_rejects_total', 'Input refused, by reason.', ['reason']);
  readonly reportedLoss = this.#counter('forebay_viewer_packets_lost_total', 'Lost by receiver reports.', []);
  readonly udpPath = this.#gauge(
    'forebay_udp_path',
    '1 for the way that datagrams leave by.',
    ['path'],
    'max',
  );
  readonly workers = this.#gauge('forebay_workers', 'Worker processes that serve viewers.', []);
  readonly workerRestarts = this.#counter(
    'forebay_worker_restarts_total',
    'Workers that ended unasked and were replaced, by why.',
    ['reason'],
  );
  readonly workerCpu = this.#counter('forebay_worker_cpu_seconds_total', 'CPU time of each worker.', [
    'worker',
  ]);
  readonly workerResident = this.#gauge('forebay_worker_resident_bytes', 'Resident memory of each worker.', [
    'worker',
  ]);
  readonly viewerJitter = this.#histogram('forebay_viewer_jitter_seconds', {
    help: 'Interarrival jitter in receiver reports.',
    labelNames: [],
    buckets: JITTER_BUCKETS_SECONDS,
  });
  readonly loopLag = this.#gauge(
    'forebay_event_loop_lag_seconds',
    'Worst lateness of a turn of the pacer within the last second.',
    [],
    'max',
  );

  constructor() {
    const bytes = this.viewerBytes;
    new Counter({
      name: 'forebay_viewer_bytes_total',
      help: 'Media bytes to viewers, by source.',
      labelNames: ['source'] as const,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const source of Object.keys(bytes) as Source[]) this.inc({ source }, bytes[source]);
      },
    });
  }

  /** @param aggregator what the value for all processes is, of the values of each */
  #gauge<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    aggregator: 'sum' | 'max' = 'sum',
  ): Gauge<L> {
    return new Gauge({ name, help, labelNames, aggregator, registers: [this.registry] });
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #histogram<L extends string>(
    name: string,
    options: {
      readonly help: string;
      readonly labelNames: readonly L[];
      readonly buckets: readonly number[];
    },
  ): Histogram<L> {
    const { help, labelNames, buckets } = options;
    return new Histogram({ name, help, labelNames, buckets: [...buckets], registers: [this.registry] });
  }
}
