import { sysctlFile } from '../sysctl-file.js';
import type { Findings, Report } from './report.js';

/**
 * Kernel settings that would be others after the next boot than those that are wanted: the last file by name wins
 * (sysctl.d(5)), wherever it stands.
 *
 * @param wanted - every kernel setting of the host's components
 */
export function judgeSettings(wanted: Readonly<Record<string, string>>, report: Report): Findings {
  const told = report.all('boot').map(([file = '', name = '', ...value]) => ({
    file,
    name: dotted(name),
    value: value.join(' ').trim(),
  }));
  const contradicting = Object.entries(wanted).flatMap(([name, value]) =>
    told
      .filter((line) => line.name === dotted(name) && words(line.value) !== words(value))
      .map((line) => ({
        ...line,
        value: words(line.value),
        wanted: value,
        after: base(line.file) > base(sysctlFile(name)),
      })),
  );
  return {
    problems: contradicting
      .filter(({ after }) => after)
      .map(
        ({ file, name, value, wanted: needed }) =>
          `${file} sets ${name} to ${value} at boot, after the cluster's own file; ${needed} is needed; remove the line, or give the file a name that comes earlier`,
      ),
    notes: contradicting
      .filter(({ after }) => !after)
      .map(
        ({ file, name, value, wanted: needed }) => `${name} becomes ${needed}; ${file} says ${value}, and comes first`,
      ),
  };
}

/** A name with slashes means the same as one with dots (sysctl.d(5)); whichever comes first is what parts it. */
function dotted(name: string): string {
  const slash = name.indexOf('/');
  const dot = name.indexOf('.');
  if (slash < 0 || (dot >= 0 && dot < slash)) return name;
  return name.replace(/[./]/g, (part) => (part === '/' ? '.' : '/'));
}

function words(text: string): string {
  return text.split(/\s+/).join(' ');
}

function base(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
