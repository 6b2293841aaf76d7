/**
 * A command that succeeds if a program answers a GET on 127.0.0.1 with 200. By bash alone: a node need not have curl, and
 * no proxy of the environment gets between.
 */
export function answersHttp(port: number, path: string): string {
  const ask = `exec 3<>/dev/tcp/127.0.0.1/${port} && printf "GET ${path} HTTP/1.0\\r\\n\\r\\n" >&3`;
  return `bash -c '${ask} && read -r _ status _ <&3 && [ "$status" = 200 ]'`;
}
