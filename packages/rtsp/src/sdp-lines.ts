import { LIMITS } from './limits.js';

/** The session part (first) or one media part of a description; a media part starts with its `m=` line. */
export interface Section {
  /** Byte for byte, without line ends. Empty lines are left out. */
  readonly lines: readonly string[];
}

/** Session part, then one part a stream; undefined above 1024 lines. */
export function readSections(text: string): [Section, ...Section[]] | undefined {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/, LIMITS.sdpLines + 2);
  if (lines.length > LIMITS.sdpLines + 1) return undefined;
  const session: string[] = [];
  const media: { lines: string[] }[] = [];
  for (const line of lines) {
    if (line.trim() === '') continue;
    if (line.startsWith('m=')) media.push({ lines: [line] });
    else (media.at(-1)?.lines ?? session).push(line);
  }
  return [{ lines: session }, ...media];
}

/** Values of `a=<name>:<value>`, trimmed, in order. */
export function attributes(section: Section, name: string): string[] {
  const start = `a=${name}:`;
  const own = section.lines.filter((line) => line.slice(0, start.length).toLowerCase() === start);
  return own.map((line) => line.slice(start.length).trim());
}

export function attribute(section: Section, name: string): string | undefined {
  return attributes(section, name)[0];
}
