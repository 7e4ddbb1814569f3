import { AccessModule } from '#access';
import { DockerModule } from '#docker';
import { FleetModule } from '#fleet';
import { KubernetesModule } from '#kubernetes';
import { SdwanModule } from '#sdwan';
import { OperatorsModule } from '#tools';

/** Every context of the platform: what a fork of it (what_if) runs as well. */
export const CONTEXTS = [
  AccessModule,
  OperatorsModule,
  FleetModule,
  SdwanModule,
  KubernetesModule,
  DockerModule,
] as const;
