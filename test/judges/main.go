// Judges our evidence with code that is not ours: exit 0 and a line of JSON where it holds, exit 1 with the reason where not.
//
//	judge log <folder of the log> <vkey>           every entry, tile and the checkpoint, by torchwood and by Tessera's fsck
//	judge proof <policy> <proof> <entry>           a tlog-proof, by torchwood and by transparency-dev/formats and /merkle
//	judge checkpoint <policy> <checkpoint>         a signed and cosigned checkpoint, by torchwood
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"filippo.io/torchwood"
	"github.com/transparency-dev/formats/proof"
	merkleproof "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const patience = time.Minute

func main() {
	found, err := judge(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(found)
}

func judge(args []string) (map[string]any, error) {
	switch {
	case len(args) == 3 && args[0] == "log":
		return judgeLog(args[1], args[2])
	case len(args) == 4 && args[0] == "proof":
		return judgeProof(args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "checkpoint":
		return judgeCheckpoint(args[1], args[2])
	}
	return nil, errors.New("usage: judge log|proof|checkpoint …")
}

func judgeLog(folder, vkey string) (map[string]any, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	signed, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return nil, err
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(verifier.Name()), torchwood.SingleVerifierPolicy(verifier))
	checkpoint, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return nil, fmt.Errorf("torchwood: %w", err)
	}
	entries, err := readEntries(folder, checkpoint.Tree)
	if err != nil {
		return nil, fmt.Errorf("torchwood: %w", err)
	}
	if err := check(folder, verifier); err != nil {
		return nil, fmt.Errorf("fsck: %w", err)
	}
	return map[string]any{"origin": checkpoint.Origin, "size": checkpoint.N, "entries": entries}, nil
}

func readEntries(folder string, tree tlog.Tree) (int64, error) {
	tiles, err := torchwood.NewTileFS(os.DirFS(folder))
	if err != nil {
		return 0, err
	}
	reader, err := torchwood.NewClient(tiles)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var count int64
	for range reader.AllEntries(ctx, tree, 0) {
		count++
	}
	if err := reader.Err(); err != nil {
		return count, err
	}
	if count != tree.N {
		return count, fmt.Errorf("%d entries of %d", count, tree.N)
	}
	return count, nil
}

// As a library and with a limit: the program of the same name exits 0 on some failures and hangs on others.
func check(folder string, verifier note.Verifier) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	fetcher := &client.FileFetcher{Root: folder}
	done := make(chan error, 1)
	go func() {
		done <- fsck.New(verifier.Name(), verifier, fetcher, hashBundle, fsck.Opts{N: 1}).Check(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func hashBundle(bundle []byte) ([][]byte, error) {
	parsed := &api.EntryBundle{}
	if err := parsed.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(parsed.Entries))
	for _, entry := range parsed.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}

func readPolicy(file string) (torchwood.Policy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return torchwood.ParsePolicy(text)
}

func judgeProof(policyFile, proofFile, entryFile string) (map[string]any, error) {
	policy, err := readPolicy(policyFile)
	if err != nil {
		return nil, err
	}
	given, err := os.ReadFile(proofFile)
	if err != nil {
		return nil, err
	}
	entry, err := os.ReadFile(entryFile)
	if err != nil {
		return nil, err
	}
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), given); err != nil {
		return nil, fmt.Errorf("torchwood: %w", err)
	}
	extra, err := torchwood.ProofExtraData(given)
	if err != nil {
		return nil, fmt.Errorf("torchwood: %w", err)
	}
	if err := verifyByFormats(policy, given, entry); err != nil {
		return nil, fmt.Errorf("formats: %w", err)
	}
	return map[string]any{"extra": len(extra)}, nil
}

// A second code base for the proof's text and its path.
func verifyByFormats(policy torchwood.Policy, given, entry []byte) error {
	var parsed proof.TLogProof
	if err := parsed.Unmarshal(given); err != nil {
		return err
	}
	if !bytes.Equal(parsed.Marshal(), given) {
		return errors.New("is written in another way")
	}
	checkpoint, _, err := torchwood.VerifyCheckpoint(parsed.Checkpoint, policy)
	if err != nil {
		return err
	}
	path := make([][]byte, 0, len(parsed.Hashes))
	for _, hash := range parsed.Hashes {
		path = append(path, hash[:])
	}
	hasher := rfc6962.DefaultHasher
	return merkleproof.VerifyInclusion(hasher, uint64(parsed.Index), uint64(checkpoint.N), hasher.HashLeaf(entry), path, checkpoint.Hash[:])
}

func judgeCheckpoint(policyFile, checkpointFile string) (map[string]any, error) {
	policy, err := readPolicy(policyFile)
	if err != nil {
		return nil, err
	}
	signed, err := os.ReadFile(checkpointFile)
	if err != nil {
		return nil, err
	}
	checkpoint, opened, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return nil, err
	}
	return map[string]any{"size": checkpoint.N, "signatures": len(opened.Sigs)}, nil
}
