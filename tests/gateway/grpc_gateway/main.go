// Makes messages of requests with grpc-gateway's own functions, in the order in
// which its generated handlers call them: body, path, query.
//
// Its argument is a file with the contract, a serialised FileDescriptorSet.
// Standard input is a JSON object a line, see request; standard output the
// answers, a line each: the message in base64, or null for 400.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

type request struct {
	Message string      // full name of the request's type
	Path    [][2]string // fields and texts of the path's variables
	Query   string
	Select  string // the rule's body: "*", a field, or nothing
	Body    string
}

var marshaler = &runtime.JSONPb{UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: true}}

func main() {
	files := load(os.Args[1])
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var asked request
		check(json.Unmarshal(lines.Bytes(), &asked))
		found, err := files.FindDescriptorByName(protoreflect.FullName(asked.Message))
		check(err)
		made := dynamicpb.NewMessage(found.(protoreflect.MessageDescriptor))
		if err := fill(made, asked); err != nil {
			fmt.Fprintln(out, "null")
			continue
		}
		bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(made)
		if err != nil {
			fmt.Fprintln(out, "null")
			continue
		}
		fmt.Fprintf(out, "%q\n", base64.StdEncoding.EncodeToString(bytes))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(path string) *protoregistry.Files {
	bytes, err := os.ReadFile(path)
	check(err)
	set := &descriptorpb.FileDescriptorSet{}
	check(proto.Unmarshal(bytes, set))
	files, err := protodesc.NewFiles(set)
	check(err)
	// grpc-gateway looks enums up by name.
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Enums().Len() {
			enum := file.Enums().Get(i)
			if _, err := protoregistry.GlobalTypes.FindEnumByName(enum.FullName()); err != nil {
				check(protoregistry.GlobalTypes.RegisterEnum(dynamicpb.NewEnumType(enum)))
			}
		}
		return true
	})
	return files
}

func fill(made *dynamicpb.Message, asked request) error {
	var filled [][]string
	if asked.Select != "" {
		if err := readBody(made, asked); err != nil {
			return err
		}
		filled = append(filled, strings.Split(asked.Select, "."))
	}
	for _, pair := range asked.Path {
		if err := readVariable(made, pair[0], pair[1]); err != nil {
			return err
		}
		filled = append(filled, strings.Split(pair[0], "."))
	}
	if asked.Select == "*" {
		return nil
	}
	values, err := url.ParseQuery(asked.Query)
	if err != nil {
		return err
	}
	return runtime.PopulateQueryParameters(made, values, utilities.NewDoubleArray(filled))
}

func readBody(made *dynamicpb.Message, asked request) error {
	decoder := marshaler.NewDecoder(strings.NewReader(asked.Body))
	if asked.Select == "*" {
		return butEnd(decoder.Decode(made))
	}
	field := made.Descriptor().Fields().ByName(protoreflect.Name(asked.Select))
	part := made.NewField(field).Message()
	made.Set(field, protoreflect.ValueOfMessage(part)) // the generated code makes it before it reads
	return butEnd(decoder.Decode(part.Interface()))
}

func butEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func readVariable(made *dynamicpb.Message, path, text string) error {
	field := made.Descriptor().Fields().ByName(protoreflect.Name(path))
	if field == nil { // nested
		return runtime.PopulateFieldFromPath(made, path, text)
	}
	if oneof := field.ContainingOneof(); oneof != nil && made.WhichOneof(oneof) == field {
		made.Clear(field) // the generated code sets it again
	}
	if field.IsList() {
		made.Clear(field)
		for _, part := range strings.Split(text, ",") {
			if err := runtime.PopulateFieldFromPath(made, path, part); err != nil {
				return err
			}
		}
		return nil
	}
	if field.Message() == nil {
		return runtime.PopulateFieldFromPath(made, path, text)
	}
	switch field.Message().FullName() {
	case "google.protobuf.Timestamp":
		read, err := runtime.Timestamp(text)
		if err == nil {
			made.Set(field, protoreflect.ValueOfMessage(read.ProtoReflect()))
		}
		return err
	case "google.protobuf.Duration":
		read, err := runtime.Duration(text)
		if err == nil {
			made.Set(field, protoreflect.ValueOfMessage(read.ProtoReflect()))
		}
		return err
	}
	return runtime.PopulateFieldFromPath(made, path, text)
}
