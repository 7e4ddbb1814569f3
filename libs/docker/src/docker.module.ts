import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { CLOCK, RANDOM, type Clock, type Random } from '#kernel';
import { CERTIFICATE_AUTHORITY, SECRET_STORE, type CertificateAuthority, type SecretStore } from '#access';
import { AGENT_LINK, GATEWAY_REGISTRAR, type AgentLink, type GatewayRegistrar } from '#agent-gateway';
import {
  COMMAND_DISPATCHER,
  PROCESSING_REGISTRAR,
  READ_MODELS,
  TRANSACTOR,
  type CommandDispatcher,
  type ProcessingRegistrar,
  type ReadModels,
  type Transactor,
} from '#processing';
import { TOOL_REGISTRAR, type ToolRegistrar } from '#tools';
import { DockerClientCa } from './application/client-ca.js';
import { DockerDirectory } from './application/directory.js';
import { DecommissionDockerRuntimeHandler, ProvisionDockerRuntimeHandler } from './application/handlers.js';
import { DockerHandshake } from './application/handshake.js';
import { DockerHosts } from './application/hosts.js';
import { dockerProjections } from './projections/index.js';
import { registerDockerTools } from './tools/register.js';

@Module({
  providers: [
    { provide: DockerDirectory, useFactory: () => new DockerDirectory() },
    {
      provide: DockerHosts,
      inject: [TRANSACTOR, DockerDirectory],
      useFactory: (transactor: Transactor, directory: DockerDirectory) => new DockerHosts(transactor, directory),
    },
    ProvisionDockerRuntimeHandler,
    DecommissionDockerRuntimeHandler,
  ],
})
export class DockerModule implements OnModuleInit {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(RANDOM) private readonly random: Random,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    @Inject(CERTIFICATE_AUTHORITY) private readonly authority: CertificateAuthority,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(PROCESSING_REGISTRAR) private readonly processing: ProcessingRegistrar,
    @Inject(GATEWAY_REGISTRAR) private readonly gateway: GatewayRegistrar,
    @Inject(AGENT_LINK) private readonly link: AgentLink,
    @Inject(TOOL_REGISTRAR) private readonly tools: ToolRegistrar,
    private readonly directory: DockerDirectory,
    private readonly hosts: DockerHosts,
  ) {}

  onModuleInit(): void {
    const { directory, hosts, authority, dispatcher, clock, transactor, secrets, random, readModels, link } = this;
    const clients = new DockerClientCa({ transactor, secrets, clock, random });
    this.gateway.addSource(directory);
    this.gateway.addPhaseHandler(new DockerHandshake({ directory, hosts, clients, authority, dispatcher, clock }));
    for (const projection of dockerProjections) projection.register(this.processing);
    registerDockerTools(this.tools, { readModels, hosts, clients, authority, link });
  }
}
