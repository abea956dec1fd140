// What Go's protojson, with DiscardUnknown, makes of JSON documents, read as
// grpc-gateway reads a body: one value, whatever stands behind it.
//
//	go run . descriptors.binpb bedplate.tests.gateway.Everything answers.json > new.json
//
// reads the documents of answers.json and writes them again with the message
// that each becomes (the binary form in base64), or null where it is refused.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// document is a text, or {"base64": ...} where it is not UTF-8.
func document(written json.RawMessage) []byte {
	var text string
	if json.Unmarshal(written, &text) == nil {
		return []byte(text)
	}
	var other struct{ Base64 string }
	check(json.Unmarshal(written, &other))
	raw, err := base64.StdEncoding.DecodeString(other.Base64)
	check(err)
	return raw
}

func answer(options protojson.UnmarshalOptions, kind protoreflect.MessageDescriptor, text []byte) any {
	message := dynamicpb.NewMessage(kind)
	var one json.RawMessage
	if json.NewDecoder(bytes.NewReader(text)).Decode(&one) != nil || options.Unmarshal(one, message) != nil {
		return nil
	}
	made, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	check(err)
	return append([]byte{}, made...)
}

func main() {
	raw, err := os.ReadFile(os.Args[1])
	check(err)
	set := &descriptorpb.FileDescriptorSet{}
	check(proto.Unmarshal(raw, set))
	files, err := protodesc.NewFiles(set)
	check(err)
	kind, err := files.FindDescriptorByName(protoreflect.FullName(os.Args[2]))
	check(err)
	written, err := os.ReadFile(os.Args[3])
	check(err)
	var rows [][]json.RawMessage
	check(json.Unmarshal(written, &rows))
	options := protojson.UnmarshalOptions{DiscardUnknown: true, Resolver: dynamicpb.NewTypes(files)}
	for index, row := range rows {
		made, err := json.Marshal(answer(options, kind.(protoreflect.MessageDescriptor), document(row[0])))
		check(err)
		begin := ",\n"
		if index == 0 {
			begin = "[\n"
		}
		fmt.Printf("%s[%s, %s]", begin, row[0], made)
	}
	fmt.Println("\n]")
}
