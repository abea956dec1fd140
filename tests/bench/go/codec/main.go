// Program codec measures Go's protojson. For every line `write N` or `read N`
// of its standard input it does so N times, and prints what one took, in
// nanoseconds of CPU of all its threads. Its first argument is a file with a
// serialised request.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"syscall"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	benchv1 "bench/gen/bench/v1"
)

func main() {
	wire, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	message := &benchv1.ChargeRequest{}
	if err := proto.Unmarshal(wire, message); err != nil {
		log.Fatal(err)
	}
	text, err := protojson.Marshal(message)
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var what string
		var times int
		if _, err := fmt.Sscan(lines.Text(), &what, &times); err != nil {
			log.Fatal(err)
		}
		before := cpu()
		for range times {
			if what == "write" {
				_, err = protojson.Marshal(message)
			} else {
				err = protojson.Unmarshal(text, &benchv1.ChargeRequest{})
			}
			if err != nil {
				log.Fatal(err)
			}
		}
		fmt.Println((cpu() - before) / int64(times))
	}
}

func cpu() int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}
