/** A command line that cannot be meant. `topic` is the command whose help would say more. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly topic: string | undefined;

  constructor(message: string, topic?: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.topic = topic;
  }
}
