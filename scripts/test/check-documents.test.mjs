import t from 'tap';
import { anchorsOf, linksOf } from '../check-documents.mjs';

t.test('links outside code are found', async (t) => {
  const markdown = [
    'See [a](docs/a.md), ![b](b.png "title") and [c](<c.md#x>).',
    '`[not](this.md)`',
    '```sh',
    '[nor](that.md)',
    '```',
    '[ref]: docs/d.md',
    '[e](https://example.com/x_(y))',
  ].join('\n');
  t.same(linksOf(markdown), ['docs/a.md', 'b.png', 'c.md#x', 'https://example.com/x_(y)', 'docs/d.md']);
});

t.test('headings become anchors', async (t) => {
  const markdown = [
    '# The life of a `PLAY`',
    '## 1.2 Units, and "such"',
    '## [Linked](x.md) one',
    '## Same',
    '## Same',
    '```sh',
    '# a comment',
    '```',
  ].join('\n');
  t.same(
    [...anchorsOf(markdown)],
    ['the-life-of-a-play', '12-units-and-such', 'linked-one', 'same', 'same-1'],
  );
});
