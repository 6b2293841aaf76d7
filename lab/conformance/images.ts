import type { Image, MirrorPlan, RootfsPart, Source } from '../mirror/plan.js';
import {
  accounts,
  agnhostFiles,
  agnhostImage,
  baseSources,
  busyboxProgram,
  networkTools,
  systemPath,
} from '../mirror/plans/image-base.js';
import { GO, kubernetesModule } from '../mirror/plans/parts.js';

/**
 * What the images of the suite's conformance tests are made from: the programs of the test images from Kubernetes' own
 * module, their base from Debian where upstream's is Alpine or Debian, etcd and pause as the mirror of that version has
 * them.
 *
 * @param plan the mirror of the version
 */
export function imageSources({ kubernetes, sources }: MirrorPlan): Record<string, Source> {
  const testImages = kubernetesModule(
    kubernetes.slice(1),
    { agnhost: './test/images/agnhost', nnp: './test/images/nonewprivs' },
    [...agnhostFiles, 'test/images/kitten/html', 'test/images/nautilus/html'],
  );
  return {
    ...baseSources,
    ...Object.fromEntries(Object.entries(sources).filter(([name]) => ['kubernetes', 'etcd', 'pause'].includes(name))),
    'test-images': testImages,
    'sample-apiserver': {
      kind: 'go-module',
      module: 'k8s.io/sample-apiserver',
      version: testImages.siblings ?? '',
      go: GO,
      programs: { 'sample-apiserver': '.' },
    },
    bash: { kind: 'debian-packages', packages: ['bash-static'] },
    nginx: { kind: 'debian-packages', packages: ['nginx', 'nginx-common', ...nginxLibraries] },
  };
}

const nginxLibraries = ['libc6', 'libcrypt1', 'libpcre2-8-0', 'libssl3', 'zlib1g'];

/**
 * busybox's own shell, as upstream, whose words tests look for; bash where the environment has a variable that Debian's
 * busybox would drop.
 */
const shellScript = `#!/bin/bash
mapfile -d '' -t environment </proc/self/environ
for entry in "\${environment[@]}"; do
  [[ \${entry%%=*} != *[-.]* ]] || exec -a /bin/sh /bin/bash "$@"
done
exec -a /bin/sh /bin/busybox "$@"
`;

/** A shell and busybox. */
const shell: readonly RootfsPart[] = [
  ...accounts,
  { kind: 'file', from: { source: 'bash', path: 'bin/bash-static' }, to: 'bin/bash' },
  { kind: 'text', text: shellScript, to: 'bin/sh', mode: 0o755 },
  { kind: 'busybox', from: busyboxProgram },
];

const nginxConfiguration = `daemon off;
user root;
pid /tmp/nginx.pid;
error_log /dev/stderr;
events {}
http {
  include /etc/nginx/mime.types;
  access_log /dev/stdout;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  server {
    listen 80;
    root /usr/share/nginx/html;
  }
}
`;

/** An image of one program that stands at `to`. */
function programImage(source: string, to: string): Image {
  return {
    config: { Entrypoint: [`/${to}`] },
    rootfs: [{ kind: 'file', from: { source, path: source }, to }],
  };
}

/** Says of itself what upstream's says, which stands on Alpine: a test of image volumes reads it. */
function withRelease({ config, rootfs }: Image): Image {
  return {
    config,
    rootfs: [...rootfs, { kind: 'text', text: 'NAME="Alpine Linux"\nID=alpine\n', to: 'etc/os-release', mode: 0o644 }],
  };
}

const dnsTools: Image = { config: { Cmd: ['bash'], Env: systemPath }, rootfs: networkTools };

const TESTS = 'registry.k8s.io/e2e-test-images';

/** Images that a mirror has under the same name, with less in them. */
export const mirrorHasLess: readonly string[] = [`${TESTS}/agnhost`];

/** The images that conformance tests run, by repository; the suite says under which tags it wants them. */
export const images: Readonly<Record<string, Image>> = {
  [`${TESTS}/agnhost`]: agnhostImage('test-images', 'pause'),
  [`${TESTS}/busybox`]: { config: { Cmd: ['sh'], Env: systemPath }, rootfs: shell },
  // The same under two names: until 1.35, and since.
  [`${TESTS}/jessie-dnsutils`]: dnsTools,
  [`${TESTS}/glibc-dns-testing`]: dnsTools,
  [`${TESTS}/kitten`]: withRelease(
    agnhostImage(
      'test-images',
      'test-webserver',
      ['kitten.jpg', 'data.json'].map((file) => `test/images/kitten/html/${file}`),
    ),
  ),
  [`${TESTS}/nautilus`]: agnhostImage(
    'test-images',
    'test-webserver',
    ['nautilus.jpg', 'data.json'].map((file) => `test/images/nautilus/html/${file}`),
  ),
  [`${TESTS}/nginx`]: {
    config: { Entrypoint: ['/usr/sbin/nginx'], Env: systemPath },
    rootfs: [
      { kind: 'tree', source: 'nginx', exclude: '^(usr/share/(doc|man|lintian|vim|nginx/modules)|etc/(init|default))' },
      { kind: 'text', text: nginxConfiguration, to: 'etc/nginx/nginx.conf', mode: 0o644 },
      ...shell,
    ],
  },
  [`${TESTS}/nonewprivs`]: {
    config: { Cmd: ['nnp'], Env: systemPath },
    rootfs: [
      { kind: 'file', from: { source: 'test-images', path: 'nnp' }, to: 'usr/local/bin/nnp', mode: 0o6755 },
      ...shell,
    ],
  },
  [`${TESTS}/nonroot`]: { config: { Cmd: ['sh'], User: '1234', Env: systemPath }, rootfs: shell },
  [`${TESTS}/sample-apiserver`]: programImage('sample-apiserver', 'sample-apiserver'),
  'registry.k8s.io/etcd': {
    ...programImage('etcd', 'usr/local/bin/etcd'),
    config: { Entrypoint: ['/usr/local/bin/etcd'], Env: systemPath },
  },
  'registry.k8s.io/pause': programImage('pause', 'pause'),
};
