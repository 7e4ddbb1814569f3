#!/usr/bin/env node
// The Debian host of test/systemd, made once per machine from Debian's packages: ~/.cache/drover-systemd/rootfs-VERSION.
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Another number when what is in it changes. */
const VERSION = 1;
const PACKAGES =
  'systemd,systemd-sysv,dbus,adduser,iproute2,nftables,wireguard-go,wireguard-tools,procps,ca-certificates';
/** The address comes with the network namespace; nobody logs in, and nothing is fetched. */
const MASKED = [
  'apt-daily-upgrade.timer',
  'apt-daily.timer',
  'console-getty.service',
  'getty.target',
  'systemd-firstboot.service',
  'systemd-networkd-wait-online.service',
  'systemd-networkd.service',
  'systemd-networkd.socket',
  'systemd-pstore.service',
  'systemd-resolved.service',
  'systemd-udevd.service',
];

// Outside of node_modules, which `npm ci` empties.
const cache = join(homedir(), '.cache/drover-systemd');
const rootfs = join(cache, `rootfs-${VERSION}`);
if (fs.existsSync(rootfs)) {
  console.log(rootfs);
  process.exit(0);
}
const work = `${rootfs}.${process.pid}`;
fs.mkdirSync(work, { recursive: true });
try {
  const tar = `${work}.tar`;
  const leaveOut = ['doc', 'man', 'locale'].map((name) => `path-exclude=/usr/share/${name}/*`);
  const dpkg = [...leaveOut, 'force-unsafe-io'].map((option) => `--dpkgopt=${option}`);
  const options = ['--variant=minbase', `--include=${PACKAGES}`, '--aptopt=Acquire::Languages "none"', ...dpkg];
  execFileSync('mmdebstrap', [...options, 'bookworm', tar], { stdio: ['ignore', 'ignore', 'inherit'] });
  execFileSync('tar', ['-C', work, '--numeric-owner', '-xf', tar]);
  fs.rmSync(tar);
  fs.rmSync(join(work, 'etc/hostname'), { force: true });
  for (const unit of MASKED) fs.symlinkSync('/dev/null', join(work, 'etc/systemd/system', unit));
  fs.renameSync(work, rootfs);
  console.log(rootfs);
} finally {
  fs.rmSync(work, { recursive: true, force: true });
}
