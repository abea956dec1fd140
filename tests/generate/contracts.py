"""A stranger's contracts, compiled as a stranger would, without the tools of this repository."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

GREETER = """
syntax = "proto3";
package acme.greeter.v1;

import "acme/greeter/v1/words.proto";
import "acme/names/v1/words.proto";
import "bedplate/v1/policy.proto";
import "google/protobuf/timestamp.proto";

// Greets.
// Says "hello" in \\"many\\" ways; a \\ is a backslash.
service GreeterService {
  option (bedplate.v1.service) = {
    defaults: {
      auth: {anonymous: true}
      deadline: {default: {seconds: 3} max: {seconds: 7}}
    }
  };
  // Greets one. Refuses with NOT_FOUND NAME_UNKNOWN.
  rpc Greet(GreetRequest) returns (GreetResponse);
  // Lists greetings.
  rpc ListGreetings(ListGreetingsRequest) returns (ListGreetingsResponse);
  // As it looks like a list and is none: two lists in the answer.
  rpc ListBoth(ListBothRequest) returns (ListBothResponse);
  rpc WatchHTTPGreetings(GreetRequest) returns (stream GreetResponse);
  // Takes many.
  rpc GreetAll(stream GreetRequest) returns (GreetResponse);
  // Talks.
  rpc Talk(stream GreetRequest) returns (stream GreetResponse);
  // Takes nothing.
  rpc Ping(PingRequest) returns (PingResponse);
}

enum Reason {
  option (bedplate.v1.reasons) = {};
  REASON_UNSPECIFIED = 0;
  REASON_NAME_UNKNOWN = 1 [(bedplate.v1.reason) = {code: NOT_FOUND help: "Say who."}];
}

enum Mood { MOOD_UNSPECIFIED = 0; MOOD_GOOD = 1; }

message GreetRequest {
  message Nested { string word = 1; }
  // Who. A very long comment that has to be broken because it is much longer LONG
  string name = 1;
  string from = 2;
  string class = 3;
  string request = 4;
  double timeout_s = 5;
  repeated string fields = 6;
  string self = 7;
  Mood mood = 8;
  repeated Mood moods = 9;
  map<string, Nested> nested_by_name = 10;
  Nested nested = 11;
  acme.names.v1.Words words = 12;
  acme.greeter.v1.Words own_words = 13;
  google.protobuf.Timestamp time = 14;
  oneof either { int64 number = 15; bytes raw = 16; }
  optional bool loud = 17;
  string response = 18;
}
message GreetResponse { string text = 1; }
message ListGreetingsRequest { int32 page_size = 1; string page_token = 2; }
message ListGreetingsResponse { repeated string greetings = 1; string next_page_token = 2; }
message ListBothRequest { int32 page_size = 1; string page_token = 2; }
message ListBothResponse { repeated string a = 1; repeated string b = 2; string next_page_token = 3; }
message PingRequest {}
message PingResponse {}
"""

WORDS = """
syntax = "proto3";
package {package};
message Words {{ repeated string words = 1; }}
"""


def write(folder: Path) -> None:
    """Write the contracts below a folder, with all that they import."""
    shutil.copytree(ROOT / "protos", folder, dirs_exist_ok=True)
    for package in ("acme.greeter.v1", "acme.names.v1"):
        path = folder / package.replace(".", "/")
        path.mkdir(parents=True)
        (path / "words.proto").write_text(WORDS.format(package=package))
    (folder / "acme/greeter/v1/greeter.proto").write_text(GREETER.replace("LONG", "than a line may be " * 10))
    modules = '[{path: third_party}, {path: ".", excludes: [third_party]}]'
    (folder / "buf.yaml").write_text(f"version: v2\nmodules: {modules}\n")


def compile_set(folder: Path, out: Path) -> None:
    """Compile all contracts of a folder into a descriptor set."""
    buf = Path(sys.executable).parent / "buf"
    subprocess.run([buf, "build", "--output", f"{out}#format=binpb"], cwd=folder, check=True, timeout=60)
