"""`seqgen models`."""

import json

import click


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """List the models that come with seqgen; each can be named with -m."""
    import msgspec

    from seqgen.api.shipped import DEFAULT, cards

    found = cards()
    if as_json:
        click.echo(json.dumps({name: msgspec.to_builtins(card) for name, card in found.items()}))
        return
    for name, card in found.items():
        note = ", used where no model is named" if name == DEFAULT else ""
        click.echo(f"{name}: {card.title} ({card.size / 1e6:.1f} MB{note})")
        click.echo(f"  learned from   {card.corpus}")
        click.echo(f"  licence        {card.licence}")
        click.echo(f"  trained with   {card.command}")
        click.echo(f"  held out       {card.held_out}")
        click.echo(f"  date           {card.date}")
