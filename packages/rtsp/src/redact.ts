/**
 * `text` without the userinfo of any URL in it: `rtsp://user:pass@host/a` becomes `rtsp://host/a`. Passwords that were
 * not percent-encoded (`/`, `#`, `@` inside) are taken out too, at the price of a path that holds an `@`, and only where
 * what stands before the first slash is no host. Linear in the length of the text.
 */
export function redactUrl(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]{0,15}:\/\/)([^\s"'<>]*)/gi, (_, scheme: string, rest: string) => {
    const end = rest.search(/[/?#]/);
    const authority = end < 0 ? rest : rest.slice(0, end);
    const at = authority.lastIndexOf('@');
    if (at >= 0) return scheme + rest.slice(at + 1);
    const isHost = /^(?:[^:[\]]*|\[[0-9a-f:.]*\])(?::\d{0,5})?$/i.test(authority);
    return scheme + (isHost ? rest : rest.slice(rest.lastIndexOf('@') + 1));
  });
}
