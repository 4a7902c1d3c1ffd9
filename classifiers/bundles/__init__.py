"""Trained bundles that ship with the package, a folder each: networks, trees and the card."""
