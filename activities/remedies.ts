/** What a person can do about a failure that no retry mends, by what the failure says. */
const remedies: readonly (readonly [RegExp, string])[] = [
  [/no space left on device|disk quota exceeded/i, 'free some space there'],
  [/read-only file system|operation not permitted|permission denied/i, 'let root write there'],
  [/address already in use/i, 'stop the program that has the port (ss -ltnp shows it)'],
  [/certificate has expired or is not yet valid/i, "compare the hosts' clocks and start their time service"],
  [
    /no answer within|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|outcome is unknown/,
    'see that the host is up and its SSH port can be reached',
  ],
];

/** A failure's message with what to do about it, where that is known. */
export function withRemedy(message: string): string {
  const remedy = remedies.find(([sign]) => sign.test(message))?.[1];
  return remedy === undefined ? message : `${message}; ${remedy}`;
}
