import t from 'tap';
import { Samples } from '../src/samples.js';

const text = `# HELP forebay_viewer_bytes_total Media bytes to viewers, by source.
# TYPE forebay_viewer_bytes_total counter
forebay_viewer_bytes_total{source="ram"} 1000
forebay_viewer_bytes_total{source="disk"} 250
forebay_rejects_total{reason="a \\"quoted\\" one",worker="1"} 1
forebay_rejects_total{reason="b",worker="1"} 2
forebay_rejects_total{reason="b",worker="2"} 3
forebay_viewer_connections 7
forebay_startup_seconds_bucket{le="0.01",source="ram"} 4
forebay_startup_seconds_bucket{le="0.1",source="ram"} 8
forebay_startup_seconds_bucket{le="+Inf",source="ram"} 8
forebay_startup_seconds_bucket{le="0.01",source="disk"} 0
forebay_startup_seconds_bucket{le="0.1",source="disk"} 0
forebay_startup_seconds_bucket{le="+Inf",source="disk"} 2
forebay_empty_seconds_bucket{le="+Inf"} 0
forebay_origin_session_limit{origin="a"} +Inf
not a metric at all {
`;

t.test('the metrics of a proxy are read', async (t) => {
  const samples = new Samples(text);
  t.equal(samples.sum('forebay_viewer_bytes_total'), 1250);
  t.equal(samples.sum('forebay_viewer_bytes_total', { source: 'disk' }), 250);
  t.equal(samples.sum('forebay_viewer_bytes_total', { source: 'flight' }), 0);
  t.equal(samples.sum('forebay_viewer_connections'), 7);
  t.equal(samples.sum('forebay_origin_session_limit'), Infinity);
  t.equal(samples.sum('forebay_rejects_total', { reason: 'b', worker: '2' }), 3);
  t.same([...samples.values('forebay_rejects_total', 'reason')], ['a "quoted" one', 'b']);
  t.same(samples.of('nothing'), []);
});

t.test('quantiles of histograms', async (t) => {
  const samples = new Samples(text);
  const at = (q: number): number | undefined => samples.quantile('forebay_startup_seconds', q);
  t.equal(at(0.4), 0.01);
  t.ok(Math.abs(at(0.6)! - 0.055) < 1e-9, 'between bounds by a straight line');
  t.equal(at(0.99), 0.1, 'above the last bound nobody knows');
  t.equal(samples.quantile('forebay_empty_seconds', 0.5), undefined);
  t.equal(samples.quantile('nothing', 0.5), undefined);
});
