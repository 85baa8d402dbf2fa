// Checks a log with Go's sumdb packages: gosumdb FOLDER VKEY OLD_CHECKPOINT.
//
// It opens the signed checkpoint, reads every tile that it needs through a reader that authenticates them against the
// root, proves leaves (all of a small log, a thousand of a large one) out of their entries, and proves that the tree
// extends the older one.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// head reads a checkpoint: tlog.ParseTree wants the first line of the Go checksum database, so origins are cut here.
func head(file string, key note.Verifiers) tlog.Tree {
	opened := must(note.Open(must(os.ReadFile(file)), key))
	lines := strings.Split(opened.Text, "\n")
	var tree tlog.Tree
	must(fmt.Sscan(lines[1], &tree.N))
	tree.Hash = must(tlog.ParseHash(lines[2]))
	return tree
}

type folder string

func (f folder) Height() int                     { return 8 }
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data = append(data, must(os.ReadFile(filepath.Join(string(f), path))))
	}
	return data, nil
}

func entry(f folder, size, index int64) []byte {
	tile := tlog.Tile{H: 8, L: -1, N: index / 256, W: 256}
	if rest := size - tile.N*256; rest < 256 {
		tile.W = int(rest)
	}
	path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
	data := must(os.ReadFile(filepath.Join(string(f), path)))
	for i := int64(0); i < index%256; i++ {
		data = data[2+(int(data[0])<<8|int(data[1])):]
	}
	return data[2 : 2+(int(data[0])<<8|int(data[1]))]
}

func main() {
	f := folder(os.Args[1])
	key := note.VerifierList(must(note.NewVerifier(os.Args[2])))
	tree, old := head(filepath.Join(os.Args[1], "checkpoint"), key), head(os.Args[3], key)
	reader := tlog.TileHashReader(tree, f)
	for i := tree.N - 1; i >= 0; i -= 1 + tree.N/1000 {
		leaf := tlog.RecordHash(entry(f, tree.N, i))
		if err := tlog.CheckRecord(must(tlog.ProveRecord(tree.N, i, reader)), tree.N, tree.Hash, i, leaf); err != nil {
			log.Fatal(i, err)
		}
	}
	proof := must(tlog.ProveTree(tree.N, old.N, reader))
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		log.Fatal(err)
	}
	fmt.Println(tree.N, tree.Hash, old.N)
}
