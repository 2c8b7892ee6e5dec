"""The claims example: flood-insurance claims, assessed durably. See README.md beside this file."""
