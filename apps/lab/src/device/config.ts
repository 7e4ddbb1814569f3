import { z } from 'zod';

/** What the platform sends to a device (libs/sdwan DeviceConfig). Unknown fields are ignored. */
export const deviceConfig = z.object({
  interface: z.object({ name: z.string(), addresses: z.array(z.string()), listen_port: z.number(), mtu: z.number() }),
  peers: z.array(
    z.object({
      peer_id: z.string(),
      public_key: z.string(),
      endpoints: z.array(z.string()),
      allowed_ips: z.array(z.string()),
      persistent_keepalive: z.number(),
    }),
  ),
  routes: z.array(z.object({ prefix: z.string(), kind: z.enum(['device', 'unreachable']) })),
  vips: z.array(z.object({ id: z.string(), address: z.string(), epoch: z.number(), peer_id: z.string().nullable() })),
  hash: z.string(),
});
export type DeviceConfig = z.infer<typeof deviceConfig>;

export const redeemed = z.object({
  success: z.literal(true),
  data: z.object({ peer_id: z.string(), device_token: z.string(), config_path: z.string(), config: deviceConfig }),
});
