import { formatRtspUrl, parseRtspUrl, resolveControl, type RtspUrl } from '@forebay/rtsp';
import type { OriginDescription } from './description.js';
import { OriginError } from './errors.js';
import { ORIGIN_LIMITS } from './limits.js';
import type { AggregateForm, ControlForm } from './profile.js';

/** One way to spell a URL, under the name by which it is remembered. */
export interface Spelling<Form extends string> {
  readonly form: Form;
  readonly url: string;
}

/**
 * URLs that the stream with `control` may have at its origin, the likeliest first. All are at the host and port of the
 * presentation's own URL.
 *
 * | form | is | needed by |
 * |---|---|---|
 * | `appended` | base, slash, control | nearly everything; what players do |
 * | `resolved` | RFC 3986 resolution: the last path element of the base is replaced | origins that follow RFC 1808 |
 * | `request` | the request's URL, slash, control | origins whose Content-Base names something else |
 * | `path` | control appended to the path, in front of the query | GStreamer, and bases with a query (`gw_main_describe.txt`) |
 *
 * @param known the form that worked last
 * @throws OriginError `description` where none is a URL
 */
export function streamUrls(
  origin: OriginDescription,
  control: string | undefined,
  known: ControlForm,
): Spelling<ControlForm>[] {
  const base = checkedBase(origin);
  const request = parseRtspUrl(origin.url, 'origin');
  const forms: [ControlForm, () => string][] = [
    ['appended', () => resolveControl(formatRtspUrl(base), control)],
    ['resolved', () => strictly(base, control)],
    ['request', () => resolveControl(origin.url, control)],
    ['path', () => resolveControl(formatRtspUrl({ ...request, query: '' }), control) + request.query],
  ];
  return spellings(forms, known);
}

/**
 * URLs that PLAY and TEARDOWN of the whole presentation may want, the likeliest first.
 *
 * | form | is | needed by |
 * |---|---|---|
 * | `given` | the session's control, resolved | nearly everything |
 * | `slash` | the same with its last slash taken away, or one added | PTZOptics |
 * | `request` | the presentation's URL | origins that forget what they said |
 * | `stream` | the only stream's URL | origins without aggregate control (RFC 2326 section 14.3) |
 *
 * @param only URL of the stream, where just one was set up
 * @throws OriginError `description` where none is a URL
 */
export function aggregateUrls(
  origin: OriginDescription,
  known: AggregateForm,
  only: string | undefined,
): Spelling<AggregateForm>[] {
  const given = (): string => resolveControl(formatRtspUrl(checkedBase(origin)), origin.description.control);
  const forms: [AggregateForm, () => string][] = [
    ['given', given],
    ['slash', () => withOtherSlash(given())],
    ['request', () => origin.url],
    ...(only === undefined ? [] : [['stream', () => only] as [AggregateForm, () => string]]),
  ];
  return spellings(forms, known);
}

/** The base, which comes from an origin or from disk, must be at the presentation's own host. */
function checkedBase(origin: OriginDescription): RtspUrl {
  const url = parseRtspUrl(origin.url, 'origin');
  const base = parseRtspUrl(origin.contentBase, 'origin');
  return { ...base, scheme: url.scheme, host: url.host, port: url.port };
}

function spellings<Form extends string>(forms: [Form, () => string][], known: Form): Spelling<Form>[] {
  const found: Spelling<Form>[] = [];
  let cause: unknown;
  for (const [form, make] of forms.toSorted(([a], [b]) => Number(b === known) - Number(a === known))) {
    try {
      const url = make();
      if (!found.some((spelling) => spelling.url === url)) found.push({ form, url });
    } catch (error) {
      cause = error;
    }
  }
  if (found.length === 0) throw new OriginError('description', 'a control that is no URL', { cause });
  return found.slice(0, ORIGIN_LIMITS.urlForms);
}

function strictly(base: RtspUrl, control: string | undefined): string {
  const text = control?.trim() ?? '';
  const isPath = text !== '' && text !== '*' && !text.startsWith('?') && !text.includes('://');
  if (!isPath || text.startsWith('/')) return resolveControl(formatRtspUrl(base), control);
  const path = base.path.slice(0, base.path.lastIndexOf('/') + 1) + text;
  return formatRtspUrl(parseRtspUrl(formatRtspUrl({ ...base, path, query: '' }), 'origin'));
}

function withOtherSlash(url: string): string {
  return url.endsWith('/') ? url.slice(0, -1) : `${url}/`;
}
