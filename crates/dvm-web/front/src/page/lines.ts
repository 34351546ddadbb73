/** The lines of a stream of UTF-8 text. Line ends can be anywhere in the chunks; empty lines are left out. */
export async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const parts = rest.split('\n');
      rest = done ? '' : (parts.pop() ?? '');
      for (const part of parts) {
        const line = part.trim();
        if (line !== '') yield line;
      }
      if (done) return;
    }
  } finally {
    // Stopping early also stops the server's work.
    await reader.cancel().catch(() => undefined);
  }
}
