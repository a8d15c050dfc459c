"""Reads in-toto statements with the libraries that others read them with; says what is wrong with each."""
import json, sys, tempfile

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement_pb2 import Statement
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document


def provenance(predicate):
    # A field that the specification does not have is an error.
    read = json_format.ParseDict(predicate, Provenance())
    if not read.build_definition.build_type:
        yield "the build type is missing"
    for base in read.build_definition.resolved_dependencies:
        ResourceDescriptor.copy_from_pb(base).validate()


def packages(predicate):
    with tempfile.NamedTemporaryFile("w", suffix=".spdx.json") as file:
        json.dump(predicate, file)
        file.flush()
        document = parse_file(file.name)
    yield from (message.validation_message for message in validate_full_spdx_document(document))


READERS = {"https://slsa.dev/provenance/v1": provenance, "https://spdx.dev/Document": packages}

for line in sys.stdin:
    statement = json_format.Parse(line, Statement())
    for subject in statement.subject:
        ResourceDescriptor.copy_from_pb(subject).validate()
    predicate = json_format.MessageToDict(statement.predicate)
    for problem in READERS[statement.predicate_type](predicate):
        sys.exit(f"{statement.predicate_type}: {problem}")
    print(statement.predicate_type)
