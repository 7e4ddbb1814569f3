import { pino, type DestinationStream, type Logger } from 'pino';
import type { Config, Log } from '#kernel';

/** Fields that would hold a secret if someone logged the wrong object. The first line of defence is not to log them. */
const SECRET_FIELDS = [
  'token',
  'join_token',
  'agent_token',
  'server_token',
  'kubeconfig',
  'password',
  'private_key',
  'privateKey',
  'keyPem',
  'plaintext',
  'authorization',
  'cookie',
];

const redaction = {
  paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
  censor: '[redacted]',
};

class PinoLog implements Log {
  constructor(private readonly logger: Logger) {}
  debug(fields: object, message: string): void {
    this.logger.debug(fields, message);
  }
  info(fields: object, message: string): void {
    this.logger.info(fields, message);
  }
  warn(fields: object, message: string): void {
    this.logger.warn(fields, message);
  }
  error(fields: object, message: string): void {
    this.logger.error(fields, message);
  }
  child(fields: object): Log {
    return new PinoLog(this.logger.child(fields));
  }
}

/** JSON lines for machines; on a terminal one readable line an entry. */
export const createLog = (config: Pick<Config, 'DROVER_LOG_LEVEL'>, out: NodeJS.WriteStream): Log => {
  const destination: DestinationStream = out.isTTY ? { write: (line) => void out.write(prettyLine(line)) } : out;
  return new PinoLog(pino({ level: config.DROVER_LOG_LEVEL, redact: redaction, base: null }, destination));
};

const LEVELS: Readonly<Record<number, string>> = {
  10: '\x1b[90mtrace\x1b[0m',
  20: '\x1b[90mdebug\x1b[0m',
  30: '\x1b[32minfo \x1b[0m',
  40: '\x1b[33mwarn \x1b[0m',
  50: '\x1b[31merror\x1b[0m',
};

const prettyLine = (line: string): string => {
  const { level, time, msg, stack, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const at = new Date(time as number).toISOString().slice(11, 23);
  const rest = Object.entries(fields)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
  const trace = typeof stack === 'string' ? `\n${stack}` : '';
  return `${at} ${LEVELS[level as number] ?? level} ${String(msg)}${rest === '' ? '' : ` \x1b[90m${rest}\x1b[0m`}${trace}\n`;
};
