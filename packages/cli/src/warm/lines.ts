const LONGEST_LINE = 65_536;

/** Lines of an answer's body as they come, without their ends. @throws RangeError for a line longer than 64 Ki characters */
export async function* readLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) throw new RangeError('a line without end');
    yield* lines.filter((line) => line !== '');
  }
}
