export interface Parameter {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly anyOf?: readonly Parameter[];
  readonly items?: Parameter;
  readonly properties?: Readonly<Record<string, Parameter>>;
}

/** A tool as the platform lists it; the same definition MCP and REST are made of. */
export interface Tool {
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  readonly description: string;
  readonly danger: 'read' | 'change' | 'destroy';
  readonly cli?: readonly [noun: string, verb: string];
  readonly aliases: Readonly<Record<string, string>>;
  readonly examples: readonly { readonly title: string; readonly arguments: Readonly<Record<string, unknown>> }[];
  readonly input_schema: {
    readonly properties?: Readonly<Record<string, Parameter>>;
    readonly required?: readonly string[];
  };
  readonly output_schema?: Parameter;
}
