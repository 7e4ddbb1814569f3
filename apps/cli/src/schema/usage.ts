export const SCHEMA_USAGE = `drover schema                 all commands with the JSON Schemas of their arguments and answers, and of fleet files, as one document
drover schema apply           a document of a fleet file, of any kind; drover schema Network, Template, …: of one kind
drover schema NOUN            a thing as its get answers it, e.g. drover schema instance
drover schema NOUN VERB       a command's arguments and answer (also: drover schema TOOL); --arguments, --answer: only the one

An editor checks and completes a fleet file when it has the schema:

  drover schema apply > fleet.schema.json
  # yaml-language-server: $schema=./fleet.schema.json

The line stands in front of every document of the file: editors take it for the one that follows. Or say it once for all
documents of all files, in the settings of the editor: "yaml.schemas": {"./fleet.schema.json": "fleet*.yaml"}.
The schemas of fleet files come with the CLI, those of commands from the platform (or from what it last said).`;
